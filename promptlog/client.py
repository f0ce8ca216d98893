"""`PromptLog`: the face over all of it, in PromptLayer's words."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from promptlog.context import add_context, current_context
from promptlog.errors import InvalidInputError, warn_not_logged
from promptlog.identifiers import new_group_id
from promptlog.instrument import Instrument
from promptlog.journal.writer import writer_for
from promptlog.models.build import request_record
from promptlog.models.checks import check_dict
from promptlog.models.encode import encode
from promptlog.overview import Overview
from promptlog.prompting import Prompting
from promptlog.prompts.replay import check_replay
from promptlog.settings import BUSY_TIMEOUT_S, WRITE_BYTES, store_paths
from promptlog.track import Track, Untrack

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from promptlog.context import Context
    from promptlog.database.store import Store
    from promptlog.models.arguments import RequestArguments
    from promptlog.prompts.replay import Replay
    from promptlog.query.requests import Requests
    from promptlog.query.results import SqlResult
    from promptlog.transfer.backfill import BackfillReport, On

Durability = Literal["process", "fsync"]


class PromptLog(Prompting, Instrument, Overview):
    """A store of LLM requests in one DuckDB file, for any number of processes.

    Args:
        path: the file; else $PROMPTLOG_PATH, else `promptlog.duckdb` in the user's data folder. Made when first
            needed, with the folders above it.
        durability: "process": what a call acknowledged survives the end of the process, `kill -9` included.
            "fsync": of the machine's power too, at the price of a disk's sync for each call.
        busy_timeout: how many seconds a question waits while another process works, before `StoreBusyError`.
        max_lag: for how many seconds what other processes log may be missing in an answer, which then need not wait for
            it to be merged. What this process logs is always seen.
        providers: whom `run` asks, by name, beside "openai" and "anthropic": a callable, a client of OpenAI's or
            Anthropic's SDK, or a dict of such a client's arguments, `{"base_url": "http://localhost:11434/v1"}`.
        replay: whether `run` answers from the log: "never", "auto" where it can, "always" and never by a model.
        promptlayer: `api_key`, `base_url`, `throw_on_error` and the other keywords of PromptLayer's constructor
            are taken and ignored, so that a program runs with its import changed.

    Raises:
        InvalidInputError: the path is a folder or an API key, or a keyword is unknown.

    Logging never opens the database: it appends to this process's own segment of a journal beside the file. Asking
    folds all journals in first, so an answer holds whatever any process had logged before the question.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        durability: Durability = "process",
        busy_timeout: float = BUSY_TIMEOUT_S,
        max_lag: float = 0.0,
        providers: Mapping[str, Any] | None = None,
        replay: Replay = "never",
        **promptlayer: Any,
    ) -> None:
        if unknown := promptlayer.keys() - _PROMPTLAYER_KEYWORDS:
            raise InvalidInputError(
                f"PromptLog takes no argument {min(unknown)!r}; it takes path, durability, busy_timeout, max_lag, providers and replay, "
                f"and ignores PromptLayer's {', '.join(sorted(_PROMPTLAYER_KEYWORDS))}"
            )
        if durability not in ("process", "fsync"):
            raise InvalidInputError(f"durability must be 'process' or 'fsync', got {durability!r}")
        self._paths = store_paths(path)
        self._writer = writer_for(self._paths)
        self._sync = durability == "fsync"
        self._busy_timeout = _seconds(busy_timeout, "busy_timeout")
        self._max_lag = _seconds(max_lag, "max_lag")
        self._providers = None if providers is None else check_dict(providers, "providers")
        self._replay = check_replay(replay)
        self.track = Track(self._append)
        self.untrack = Untrack(self._append)
        self.group = Group()

    def __repr__(self) -> str:
        return f"PromptLog({str(self.path)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self._paths.database

    def close(self) -> None:
        """Let go of segment, file and lock. Allowed, never needed: there is nothing to flush."""
        self._writer.close()
        if "_store_of" in self.__dict__:
            self._store.close()

    # -- logging -----------------------------------------------------------------------------------------------

    def log_request(self, **arguments: Unpack[RequestArguments]) -> dict[str, str | None]:
        """Log one call to a model.

        Args:
            arguments: PromptLayer's, by keyword.
                provider, model: such as "openai", "gpt-4o".
                input, output: a prompt blueprint, a list of messages, one message, or plain text; None for what
                    is not known (the output of a call that failed).
                request_start_time, request_end_time: epoch seconds, a `datetime`, or ISO 8601 text.
                parameters: what the model was called with (temperature, …), any JSON.
                metadata: string keys (at most 1,024 characters) with string values.
                tags: labels of at most 512 characters.
                input_tokens, output_tokens: counts. price: US dollars.
                score, score_name: a number from 0 to 100, and its name, else "default".
                prompt_name, prompt_version_number, prompt_id, prompt_input_variables: the template it came from.
                api_type, function_name: text.
                status: SUCCESS, WARNING or ERROR; unless told, ERROR where there is an error. error_type, error_message: text.
                request_id: a UUID, else a new one. trace_id, span_id: OpenTelemetry's. group_id: an int.
                cached_tokens, cache_write_tokens: how many of the input tokens came from the provider's cache, and
                    went to it. reasoning_tokens: how many of the output tokens. finish_reason: such as "stop".
                replay_key, replayed_from: UUIDs; what is asked alike, and the request whose answer this one repeats.

        Returns:
            `{"request_id": …, "id": …}`, twice the same id; None where the disk refused the line, with a
            `NotLoggedWarning`: logging does not stop the program it logs for.

        Raises:
            InvalidInputError: an argument is wrong; nothing is written.
        """
        record = request_record(**arguments)
        plain = isinstance(arguments["input"], str) and isinstance(arguments["output"], str)
        plain = plain and "parameters" not in record and "prompt" not in record
        logged = self._log(record, current_context(), plain=plain)
        return {"request_id": logged, "id": logged}

    def _log(self, record: dict[str, Any], around: Context | None, *, plain: bool = False) -> str | None:
        """Append a request with what the blocks around it add, and return its id; None where the disk refuses it."""
        add_context(record, around)
        return record["request_id"] if self._append(record, plain=plain) else None

    def _append(self, record: dict[str, Any], *, plain: bool = False) -> bool:
        """Append a checked record; False, with a warning, where the disk refuses it."""
        return self._append_line(encode(record, plain=plain))

    def _append_line(self, body: bytes) -> bool:
        """Append an encoded record; False, with a warning, where the disk refuses it."""
        try:
            self._writer.append(body, sync=self._sync)
        except OSError as error:
            way_out = (
                "free some room"
                if error.errno in _NO_ROOM
                else "set PROMPTLOG_PATH to a folder that can be written"
            )
            warn_not_logged(
                f"{self._paths.segments} cannot be written ({error.strerror or error}); {way_out}"
            )
            return False
        return True

    def _append_lines(self, bodies: Iterable[bytes]) -> None:
        """Append encoded records, a few writes for all of them: what edges have that log by the batch.

        Raises:
            OSError: the disk refused the last of them.
        """
        piece, size = [], 0
        for body in bodies:
            piece.append(body)
            size += len(body)
            if size >= WRITE_BYTES:
                self._writer.append_many(piece, sync=self._sync)
                piece, size = [], 0
        if piece:
            self._writer.append_many(piece, sync=self._sync)

    def log_many(self, records: Any, *, progress: bool | None = None) -> int:
        """Load many requests straight into the tables, and return how many there are.

        Args:
            records: an iterable of dictionaries with the arguments of `log_request`; a pandas or polars data frame
                or an Arrow table with such columns; or the path of a Parquet, CSV or JSON Lines file. A frame or
                file may give metadata as one column of maps or JSON, or as columns `metadata.<key>`.
            progress: whether to draw a progress bar on stderr; unless told, where that is a terminal.

        Loading again is harmless where `request_id` is given: what is there stays.

        Raises:
            InvalidInputError: a record is wrong; the message says which one. Nothing was written.
            StoreUnwritableError: the disk refused.
        """
        from promptlog.transfer.bulk import load

        return load(self._store, self._writer, records, progress=progress)

    def backfill(
        self,
        source: Any,
        on: On,
        *,
        keys: Iterable[str] | None = None,
        overwrite: bool = True,
        cast: bool = False,
        dry_run: bool = False,
        progress: bool | None = None,
    ) -> BackfillReport:
        """Write metadata onto requests that are there, in bulk: each row onto every request it matches.

        Args:
            source: a pandas or polars frame or an Arrow table; the path or pattern of Parquet, CSV or JSON Lines
                files; or an iterable of dicts. Wide, where each column beside those of `on` is a metadata key; or
                long, where there are just the columns `key` and `value` beside them. An empty cell (null) says nothing.
            on: what rows and requests are matched by: "request_id", `meta("user_id")`, `col.prompt_name`, or a
                list of which all must match; the source's column has the same name. A dict names it:
                `{"customer": meta("user_id")}`.
            keys: the metadata keys to take, unless all.
            overwrite: whether values that are there are replaced.
            cast: make text of cells that are not: whole numbers without .0, times in ISO 8601, true and false,
                JSON for lists; otherwise such a cell is refused.
            dry_run: write nothing, and report what would be.
            progress: whether to draw progress bars on stderr; unless told, where that is a terminal.

        Returns:
            how many rows were read and matched, and how many values were inserted, replaced and unchanged.

        Raises:
            InvalidInputError: a column or cell is wrong, or two rows give one request different values of a key.
                The message names row and column; nothing was written.
            StoreBusyError, StoreError: as in `merge`.

        Written are chunks of 100,000 values, each all or not at all; running it again is safe and finishes one that was
        killed. All values carry the time of the call: what is tracked later wins.
        """
        from promptlog.transfer.backfill import backfill

        return backfill(
            self._store, self._writer, source, on,
            keys=keys, overwrite=overwrite, cast=cast, dry_run=dry_run, progress=progress,
        )  # fmt: skip

    # -- asking ------------------------------------------------------------------------------------------------

    @property
    def _store(self) -> Store:
        from promptlog.database.store import store_for

        store = self.__dict__.get("_store_of")
        if store is None:
            store = self.__dict__["_store_of"] = store_for(self._paths)
            store.busy_timeout, store.max_lag = self._busy_timeout, self._max_lag
        return store

    @property
    def requests(self) -> Requests:
        """All requests, newest first: the beginning of every question."""
        from promptlog.query.requests import Requests

        return Requests(self._store)

    def search(self, text: str) -> Requests:
        """Return the requests that a search text asks for: what `client.requests.search(text)` returns.

        Args:
            text: such as `user_id:user_123 latency_ms>500 -status:error "chocolate cake"`; an empty one asks for all.
                `promptlog search --help` has the language.

        Raises:
            SearchSyntaxError: it cannot be read; the message points at the place.
        """
        return self.requests.search(text)

    def sql(self, text: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> SqlResult:
        """Ask in SQL: one statement that only reads, with `?` for each of `params`, or `$name` for each of a dict.

        The tables are requests, metadata, tags, scores, request_prompts, request_groups, spans, span_logs, prompts and
        prompt_labels; their times are UTC.
        No other file can be reached.

        Raises:
            InvalidInputError: `params` is neither a list nor a dict.
            QueryError: it is not exactly one statement, or one that writes, or DuckDB refuses it.
        """
        from promptlog.query.results import SqlResult

        if isinstance(params, str | bytes) or not isinstance(params, Sequence | Mapping):
            raise InvalidInputError(f"params must be a list or a dict of values, got {type(params).__name__}")
        return SqlResult(self._store, text, dict(params) if isinstance(params, Mapping) else list(params))

    def _check(self) -> None:
        """Open the store, and make it where there is none. Nothing is merged.

        Raises:
            StoreBusyError: another process kept the file beyond the timeout.
            StoreError: the file cannot be opened or made.
        """
        with self._store.lease("opening the store"):
            pass

    def merge(self, *, progress: bool | None = None) -> int:
        """Fold into the tables what is in the journals now, and return how many records that were.

        Asking does this by itself; a program that only logs may call it when it has time.

        Args:
            progress: whether to draw a progress bar on stderr; unless told, where that is a terminal.

        Raises:
            StoreBusyError: another process kept the file for longer than `busy_timeout`.
            StoreError: the file cannot be opened, made or written.
        """
        from promptlog.transfer.progress import progress_bar

        with progress_bar("merging", self._store.pending_bytes(), wanted=progress) as advance:
            return self._store.merge(advance)

    def interrupt(self, thread: int | None = None) -> None:
        """End what other threads of this process ask the store now; it raises `StoreInterruptedError` there.

        Args:
            thread: the identity of the one thread that is meant, as `threading.get_ident` returned it there.
        """
        if "_store_of" in self.__dict__:
            self._store.interrupt(thread)

    def compact(self, *, progress: bool | None = None) -> int:
        """Sort what look-ups read into one run, and return how many entries of metadata were moved.

        The store keeps look-ups fast by itself; this makes them as fast as they can be, and gives the room of what was
        replaced back to the file. It works in slices: others log and ask meanwhile, and a crash loses nothing.

        Args:
            progress: whether to draw a progress bar on stderr; unless told, where that is a terminal.

        Raises:
            StoreBusyError: another process kept the file for longer than `busy_timeout`.
            StoreError: the file cannot be opened, made or written.
        """
        from promptlog.transfer.progress import progress_bar

        self.merge(progress=progress)
        with progress_bar("compacting", self._store.entries(), wanted=progress) as advance:
            return self._store.compact(advance)

    def rejected(self) -> int:
        """Return how many lines of journals no process could read: they are kept in `<path>.journal/rejected/`."""
        from promptlog.journal.sweeper import count_rejected

        return count_rejected(self._paths)


def _seconds(given: object, name: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not given >= 0:
        raise InvalidInputError(f"{name} must be a number of seconds, 0 or more, got {given!r}")
    return float(given)


class Group:
    """PromptLayer's groups."""

    def create(self) -> int:
        """Return a new group's number, for `track.group` and `log_request(group_id=…)`."""
        return new_group_id()


_PROMPTLAYER_KEYWORDS = frozenset(
    {
        "api_key",
        "base_url",
        "cache_ttl_seconds",
        "enable_tracing",
        "throw_on_error",
        "tracer_provider",
        "tracing_providers",
    }
)


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
