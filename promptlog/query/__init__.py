"""From expressions to SQL with bound values, and from rows to frames and models."""
