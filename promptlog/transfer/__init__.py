"""Bringing many requests in at once."""
