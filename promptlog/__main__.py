"""`python -m promptlog`."""

from promptlog.cli import main

main()
