"""Where a store lives, and the numbers that bound it."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from promptlog.errors import InvalidInputError, StoreError

MAX_KEY_CHARS = 1024  # PromptLayer's limit of a metadata key
MAX_TAG_CHARS = 512  # PromptLayer's limit of a tag
MAX_LINE_BYTES = 16 * 1024 * 1024  # one call, as JSON
WRITE_BYTES = 1024 * 1024  # of a batch, what is written at once: others of the process wait for that long
SEGMENT_BYTES = 64 * 1024 * 1024  # a segment of the journal is left for a new one past this
SLICE_BYTES = 32 * 1024 * 1024  # the merge applies this much journal in one transaction: well below a second
MEMORY_LIMIT = "1GB"  # DuckDB's, of each process that asks; what needs more spills
BUSY_TIMEOUT_S = 60.0
IDLE_S = 2.0  # an unused connection is let go after this


def memory_limit() -> str:
    """Return how much memory DuckDB may use in this process: $PROMPTLOG_MEMORY_LIMIT, else 1 GB.

    Raises:
        InvalidInputError: that is no size.
    """
    given = os.environ.get("PROMPTLOG_MEMORY_LIMIT") or MEMORY_LIMIT
    if not re.fullmatch(r"[1-9]\d{0,8} ?([MG]i?B)", given):
        raise InvalidInputError(f"PROMPTLOG_MEMORY_LIMIT is a size such as 512MB or 2GB, got {given!r}")
    return given


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The files of one store; all but `database` are made when first needed.

    `database` may be watched by `stat`, never opened: closing any descriptor of it would drop DuckDB's lock.
    """

    database: Path

    @property
    def journal(self) -> Path:
        """The folder that stands beside the database file."""
        return self.database.with_name(self.database.name + ".journal")

    @property
    def segments(self) -> Path:
        """Where each process appends to a segment of its own."""
        return self.journal / "segments"

    @property
    def rejected(self) -> Path:
        """Where lines that cannot be read are kept, with the reason."""
        return self.journal / "rejected"

    @property
    def staging(self) -> Path:
        """Files that live through one merge or import; the one folder DuckDB may read."""
        return self.journal / "staging"

    @property
    def lock(self) -> Path:
        """Held by the process that holds the database; says who it is and what it does."""
        return self.journal / "lock"

    @property
    def queue(self) -> Path:
        """Held by the process that is next."""
        return self.journal / "queue"

    @property
    def prompts_stamp(self) -> Path:
        """A file that grows by a byte with each change of prompts: what was read of them before is old then."""
        return self.journal / "prompts"


def store_paths(given: str | os.PathLike[str] | None) -> StorePaths:
    """Return the files of the store at `given`, else at $PROMPTLOG_PATH, else in the user's data folder.

    Raises:
        InvalidInputError: `given` is an API key of PromptLayer, a folder, or no path.
        StoreError: this is Windows.
    """
    if sys.platform == "win32":
        raise StoreError("promptlog needs flock and so runs on Linux and macOS; on Windows, use WSL")
    if given is None:
        given = os.environ.get("PROMPTLOG_PATH") or None
    if given is None:
        import platformdirs

        given = platformdirs.user_data_path("promptlog", appauthor=False) / "promptlog.duckdb"
    if not isinstance(given, str | os.PathLike):
        raise InvalidInputError(f"path must be a string or a path, got {type(given).__name__}")
    text = os.fspath(given)
    if re.fullmatch(r"pl_(?=.*[0-9])[0-9A-Za-z]{6,}", text):
        raise InvalidInputError(
            "path looks like an API key of PromptLayer. promptlog needs none: PromptLog() uses the default store, "
            "PromptLog('my.duckdb') a file of your own; PromptLog(api_key=...) is taken and ignored"
        )
    if not text or "\0" in text:
        raise InvalidInputError(f"path {text!r} is not a path")
    path = Path(os.path.realpath(Path(text).expanduser()))
    if odd := next((letter for letter in "?\\" if letter in str(path)), None):
        raise InvalidInputError(
            f"path {str(path)!r} has a {odd!r} in it, which DuckDB reads as something else"
        )
    if path.is_dir():
        raise InvalidInputError(
            f"path {str(path)!r} is a folder; name a file in it: {str(path / 'promptlog.duckdb')!r}"
        )
    return StorePaths(path)
