"""`import_otlp`: what was exported as OTLP elsewhere, into a store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.otel.encoding import Encoder, captures_content
from promptlog.otel.otlp import read_stream
from promptlog.otel.otlp_batch import OtlpBatch
from promptlog.transfer.known import count_known as known_among
from promptlog.transfer.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from promptlog.client import PromptLog

_IN_MEMORY_BYTES = 32 * 1024 * 1024  # records that wait for the end of the source; more go to a file
_SHOWN = 5


@dataclass
class OtlpReport:
    """What an import found and wrote. The same source again finds as much, and changes nothing."""

    spans: int = 0
    """Spans, all of which are kept."""
    requests: int = 0
    """Those of them that are calls to a model."""
    known: int | None = None
    """Those of the requests that were here already; None where nobody asked, or the store was too busy to say."""
    logs: int = 0
    """Log records that carry messages or evaluations."""
    other_logs: int = 0
    """Log records that carry neither; they are passed over."""
    repaired: Counter[str] = field(default_factory=Counter)
    """What was amiss and is repaired, and how often."""
    skipped: Counter[str] = field(default_factory=Counter)
    """What could not be kept, and how often."""
    lost_attributes: int = 0
    """Attributes that could not be kept; each span names its own under `promptlog.dropped_attributes`."""
    sample: list[str] = field(default_factory=list)
    """The first few of what could not be kept, with the reason."""

    def __str__(self) -> str:
        known = f" ({self.known:,} of these here already)" if self.known else ""
        lines = [f"{self.spans:,} spans read, {self.requests:,} of them calls to a model{known}"]
        if self.logs or self.other_logs:
            lines.append(f"{self.logs:,} log records of calls read, {self.other_logs:,} others passed over")
        lines += [f"repaired: {count:,} {what}" for what, count in self.repaired.items()]
        lines += [f"skipped: {count:,} {what}" for what, count in self.skipped.items()]
        if self.lost_attributes:
            lines.append(f"not kept: {self.lost_attributes:,} attributes")
        if self.sample:
            lines.append(f"such as {'; '.join(self.sample)}")
        return "\n".join(lines)


def import_otlp(
    client: PromptLog,
    source: str | bytes | os.PathLike[str] | OtlpBatch | Iterable[str | os.PathLike[str]],
    *,
    capture_content: bool | None = None,
    inherit: bool = True,
    progress: bool | None = None,
    count_known: bool = False,
) -> OtlpReport:
    """Write what OTLP holds into a store, as the exporters would have.

    Args:
        client: the store.
        source: the path of a file, or several: what the collector's file exporter writes (JSON lines, or protobuf with
            its sizes), one request of protobuf or JSON, all gzipped or not. Or what `read_otlp` takes or returns: bytes,
            JSON text, a batch.
        capture_content: as in `PromptLogSpanExporter`.
        inherit: likewise.
        progress: whether to draw a progress bar on stderr; unless told, where that is a terminal.
        count_known: whether to ask the store how many of the requests are here already, which merges what was logged before.

    Raises:
        InvalidInputError: a source is empty, cut off or no OTLP. Nothing was written, of the other sources neither.
        MissingExtraError: it is protobuf, and opentelemetry-proto is not installed.
        OSError: a file cannot be read.
        StoreUnwritableError: the disk refused; importing again, with room, completes it.
    """
    encoder = Encoder(captures_content(capture_content), inherit)
    encoder.ids = set() if count_known else None
    with _batches(source, progress) as batches:
        return import_batches(client, batches, encoder)


def import_batches(client: PromptLog, batches: Iterable[OtlpBatch], encoder: Encoder) -> OtlpReport:
    """Write batches into a store, all of them or none: whatever raises while they are read, nothing was written.

    Raises:
        StoreUnwritableError: as in `import_otlp`.
    """
    report = OtlpReport()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as waiting:
        for batch in batches:
            waiting.writelines(body + b"\n" for body in _bodies(batch, encoder, report))
        waiting.seek(0)
        if encoder.ids is not None:
            report.known = known_among(client.requests, encoder.ids)
        try:
            client._append_lines(line[:-1] for line in waiting)  # noqa: SLF001 - an edge of the client's own house
        except OSError as error:
            raise StoreUnwritableError(
                f"the journal beside {client.path} cannot be written ({error.strerror or error}); "
                "with room, import again: what is there already stays as it is"
            ) from error
    report.requests = encoder.requests
    return report


def _bodies(batch: OtlpBatch, encoder: Encoder, report: OtlpReport) -> Iterator[bytes]:
    """Encode a batch, and put into the report what it held."""
    report.repaired += batch.repaired
    report.skipped += batch.skipped
    encoder.lost = batch.lost
    for span in batch.spans:
        try:
            body = encoder.span(span)
        except InvalidInputError as error:
            _skip(report, "spans that cannot be written", error)
            continue
        report.spans += 1
        yield body
    for log in batch.logs:
        try:
            found = encoder.log(log)
        except InvalidInputError as error:
            _skip(report, "log records that cannot be written", error)
            continue
        if found is None:
            report.other_logs += 1
        else:
            report.logs += 1
            yield found
    report.lost_attributes += len(encoder.lost)
    report.sample += encoder.lost[: _SHOWN - len(report.sample)]


def _skip(report: OtlpReport, what: str, error: InvalidInputError) -> None:
    report.skipped[what] += 1
    if len(report.sample) < _SHOWN:
        report.sample.append(str(error))


@contextmanager
def _batches(source: object, progress: bool | None) -> Iterator[Iterator[OtlpBatch]]:
    """Give what a source holds, batch by batch."""
    if isinstance(source, OtlpBatch):
        yield iter([source])
    elif isinstance(source, bytes | bytearray | memoryview):
        yield read_stream(BytesIO(bytes(source)), "the source")
    elif isinstance(source, str) and source.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        yield read_stream(BytesIO(source.encode("utf-8", "replace")), "the source")
    else:
        paths = _paths(source)
        total = sum(path.stat().st_size for path in paths)
        with progress_bar("reading", total, wanted=progress) as advance:
            yield _read_files(paths, advance)


def _paths(source: object) -> list[Path]:
    if isinstance(source, str | os.PathLike):
        return [Path(source)]
    try:
        return [Path(one) for one in source]  # type: ignore[attr-defined]
    except TypeError:
        raise InvalidInputError(
            f"OTLP is imported from a path, several, bytes or JSON text, got {type(source).__name__}"
        ) from None


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """Give a file, or a copy of what comes out of a pipe: `zstd -dc spans.zst | promptlog import otlp /dev/stdin`."""
    if file.seekable():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield copy  # type: ignore[misc]


def _read_files(paths: list[Path], advance: Callable[[int], None]) -> Iterator[OtlpBatch]:
    for path in paths:
        with path.open("rb") as file, _seekable(file) as stream:
            told = 0
            for batch in read_stream(stream, repr(str(path))):
                yield batch
                here = stream.tell()  # below a gzip, of the packed bytes
                advance(here - told)
                told = here
