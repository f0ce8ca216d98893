"""`python -m promptlog.cli`."""

from promptlog.cli import main

main()
