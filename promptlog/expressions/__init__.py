"""What can be asked of requests: `nodes` are frozen data, `face` is how people write them. Knows no SQL."""
