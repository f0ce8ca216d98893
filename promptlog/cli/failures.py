"""The one place that turns errors into one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from promptlog.cli.text import one_line, visible
from promptlog.errors import NotLoggedWarning, PromptLogError, SearchSyntaxError

FAILED = 1  # usage errors are typer's, and 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class OneLineErrors(TyperGroup):
    """The commands, with what they raise as one line: a traceback would tell a user nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        # What cannot be written is an error here: the command has nothing else to do.
        warnings.simplefilter("error", NotLoggedWarning)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except SearchSyntaxError as error:  # its second and third line show the place
            said, *place = str(error).split("\n")
            raise failure(said, *place) from None
        except (PromptLogError, NotLoggedWarning) as error:
            raise failure(_message(error)) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # `| head` has seen enough
            _drop_stdout()
            raise typer.Exit(FAILED) from None
        except OSError as error:  # a full disk under stdout, a file that cannot be read: the user's to mend
            _drop_stdout()
            where = f"{error.filename}: " if error.filename else ""
            raise failure(f"{where}{error.strerror or error}") from None
        return result


def _message(error: Exception) -> str:
    """Return what an error says, without the lines in which DuckDB points at a place in SQL."""
    said = str(error).split("\n\nLINE ")[0]
    return one_line(said)


def failure(message: str, *more: str) -> typer.Exit:
    """Write a message as one line, and what is drawn as it is."""
    sys.stderr.write(f"promptlog: error: {one_line(message)}\n")
    sys.stderr.writelines(f"{visible(line)}\n" for line in more)
    return typer.Exit(FAILED)


def _drop_stdout() -> None:
    """Let nothing more reach stdout: Python would try once more at exit, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
