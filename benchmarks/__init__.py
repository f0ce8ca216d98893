"""What promptlog costs, beside the same work done by hand. Run: `python -m benchmarks`."""
