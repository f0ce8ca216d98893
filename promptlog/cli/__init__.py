"""The shell: `promptlog …`, an edge over `PromptLog`. Results go to stdout, progress and errors to stderr.

`path`, `log` and `track` with whole ids never import duckdb or rich: they start as fast as Python does.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line on `sys.argv` and end the process with its exit code."""
    try:
        from promptlog.cli.app import app

        app(prog_name="promptlog")
    except KeyboardInterrupt:  # pressed before a command began, or as it ended
        raise SystemExit(130) from None
