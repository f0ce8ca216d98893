"""The one door to the driver: opens files, sets what every connection has, and turns its errors into ours."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import duckdb

from promptlog.database.schema import MIGRATIONS, SCHEMA, VERSION
from promptlog.database.text import as_pattern
from promptlog.errors import (
    QueryError,
    StoreDamagedError,
    StoreError,
    StoreInterruptedError,
    StoreUnwritableError,
    StoreVersionError,
)
from promptlog.settings import memory_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptlog.settings import StorePaths

_HELD = re.compile(r"Conflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)", re.DOTALL)

#: A disk or quota that is full, a folder that may not be written.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})


_ROW_GROUP_ROWS = 16_384
_READABLE_FROM = "v1.5.0"  # tools of DuckDB 1.5 can open the file too
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,
    # From the first moment on: a file of SQLite's would have its extension fetched from the network.
    "autoinstall_known_extensions": False,
}


class FileHeldError(Exception):
    """Another program, which does not ask for our lock, holds the database file."""

    def __init__(self, pid: int | None, program: str) -> None:
        super().__init__(program)
        self.pid = pid
        self.program = program


def connect(paths: StorePaths, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open the store's file, make or migrate its schema, and return the connection.

    SQL on it reaches the store and its staging folder, no other file, and cannot change that.

    Args:
        paths: whose database.
        read_only: open for reading alone; the schema must be there.

    Raises:
        FileHeldError: a program that knows nothing of our lock has the file.
        StoreVersionError: the file is a newer promptlog's.
        StoreDamagedError: the file is no database, or cannot be recovered.
        StoreUnwritableError: the folder takes no files.
    """
    newborn = not read_only and _is_to_be_made(paths)
    connection = duckdb.connect(config=dict(_CONFIG))
    try:
        _attach(paths, connection, read_only=read_only, newborn=newborn)
    except duckdb.Error as error:
        connection.close()
        ours = _open_error(paths, error)
        if newborn and not isinstance(ours, FileHeldError):
            paths.database.unlink(missing_ok=True)  # a full disk cut it short: it would never open
        raise ours from error
    except BaseException:
        connection.close()
        raise
    try:
        no_progress_bar(connection)
        connection.execute("SET TimeZone = 'UTC'")
        # The default of 16 MB would checkpoint after each slice of the merge; this one makes it a fifth faster.
        connection.execute("SET checkpoint_threshold = '128MB'")
        connection.execute("SET temp_directory = ?", [str(paths.journal / "spill")])
        # DuckDB's own limit is four fifths of the machine. The store lives inside somebody's program; what needs more
        # spills.
        connection.execute(f"SET memory_limit = '{memory_limit()}'")
        connection.execute("SET allowed_directories = ?", [[str(paths.staging), as_pattern(paths.staging)]])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        with our_errors(paths):
            _prepare(paths, connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def no_progress_bar(connection: duckdb.DuckDBPyConnection) -> None:
    """Turn off DuckDB's own bar. In Jupyter without ipywidgets it is off, and DuckDB refuses to be told so."""
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")


def _attach(
    paths: StorePaths, connection: duckdb.DuckDBPyConnection, *, read_only: bool, newborn: bool
) -> None:
    """Attach the file as the database that names without a prefix mean.

    Attached, not connected to, because only there can the size of row groups be given, and the file does not
    remember it. With 16,384 rows instead of 122,880 a look-up by zone maps touches an eighth of the rows and takes
    half the time, an aggregate takes no longer, and 40 % less is written: each checkpoint compresses the last, partly
    filled group anew.
    """
    options = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {_ROW_GROUP_ROWS}"
    if newborn:
        options += f", STORAGE_VERSION '{_READABLE_FROM}'"
    path = str(paths.database).replace("'", "''")
    connection.execute(f"ATTACH '{path}' AS store ({options})")
    connection.execute("USE store")


def _is_to_be_made(paths: StorePaths) -> bool:
    """Tell whether there is no file yet; an empty one (`mkstemp`, `touch`), which DuckDB refuses, is none."""
    try:
        if paths.database.stat().st_size:
            return False
        paths.database.unlink()
    except FileNotFoundError:
        pass
    return True


def _prepare(paths: StorePaths, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
    try:
        version = schema_version(connection)
    except duckdb.CatalogException:  # no such table: asked so, because listing all tables takes 7 ms
        tables = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'store'"
        ).fetchall()
        if tables[0][0] or read_only:
            raise StoreDamagedError(
                f"{paths.database} is a DuckDB file that promptlog did not make; give the store a file of its own"
            ) from None
        with transaction(connection):
            connection.execute(SCHEMA)
            connection.execute("INSERT INTO promptlog_schema VALUES (?)", [VERSION])
        return
    if version > VERSION:
        raise StoreVersionError(
            f"{paths.database} has schema version {version}, made by a newer promptlog; this one knows up to "
            f"{VERSION}: pip install -U promptlog-local"
        )
    if read_only:
        if version < VERSION:
            raise StoreVersionError(
                f"{paths.database} has schema version {version}, made by an older promptlog, and this user cannot "
                f"bring it to {VERSION}: let one who may write there ask it something once"
            )
        return
    for step in range(version + 1, VERSION + 1):
        with transaction(connection):
            connection.execute(MIGRATIONS[step])
            connection.execute("UPDATE promptlog_schema SET version = ?", [step])


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the version of the schema that the file has."""
    row = connection.execute("SELECT max(version) FROM promptlog_schema").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        # The driver may have ended it already; its own error is the one to show.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C inside a statement be Python's own: the driver says it in its way."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from None
        raise


def interrupt(connection: duckdb.DuckDBPyConnection) -> None:
    """End the statement that runs on a connection; called from another thread."""
    with suppress(duckdb.Error):  # it was closed meanwhile
        connection.interrupt()


@contextmanager
def our_errors(paths: StorePaths) -> Iterator[None]:
    """Turn what the driver raises inside into an error of ours."""
    try:
        yield
    except duckdb.InterruptException:
        raise StoreInterruptedError(f"the question to {paths.database} was ended; ask again") from None
    except duckdb.IOException as error:
        raise StoreUnwritableError(f"{paths.database}: {_first_line(error)}") from error
    except (duckdb.FatalException, duckdb.InternalException) as error:
        raise StoreDamagedError(f"{paths.database}: {_first_line(error)}") from error
    except duckdb.Error as error:
        if "Failed to commit" in str(error):  # mostly a full disk
            raise StoreUnwritableError(f"{paths.database}: {_first_line(error)}") from error
        raise QueryError(str(error).strip()) from error
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise StoreUnwritableError(f"{paths.database} and its journal: {error.strerror}") from error


def _open_error(paths: StorePaths, error: duckdb.Error) -> Exception:
    text = str(error)
    if held := _HELD.search(text):
        return FileHeldError(int(held["pid"]), held["program"].strip())
    if "Could not set lock" in text:
        return FileHeldError(None, "another program")
    if "Unique file handle conflict" in text:
        return FileHeldError(os.getpid(), "this program, by the duckdb package itself")
    if "WAL" in text and ("replay" in text or "Corrupt" in text):
        wal = f"{paths.database}.wal"
        return StoreDamagedError(
            f"the write-ahead log {wal} is damaged: {_first_line(error)}. Move that file aside and open the store "
            f"again: what was merged since the last checkpoint is lost, all else is there"
        )
    if re.search(r"not a valid DuckDB|^IO Error: Extension|Could not read enough bytes", text) or isinstance(
        error, duckdb.SerializationException | duckdb.FatalException
    ):
        return StoreDamagedError(f"{paths.database} cannot be opened: {_first_line(error)}")
    if isinstance(error, duckdb.IOException):
        return StoreUnwritableError(f"{paths.database} cannot be opened: {_first_line(error)}")
    return StoreError(f"{paths.database} cannot be opened: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
