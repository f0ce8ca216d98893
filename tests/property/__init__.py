"""Laws, one file each; what they are about is drawn in `tests.strategies`."""
