"""What is filtered, as a file: CSV, JSON Lines or Parquet, written page by page while it is read."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from starlette.routing import Route

from promptlog.errors import StoreError
from promptlog.expressions.terms import NUMBER
from promptlog.models.columns import COLUMNS, FRAME_COLUMNS
from promptlog.models.tables import need
from promptlog.server.house import house_of
from promptlog.server.pages import cells
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.server.house import House

_PAGE = 2000
_AGAIN_S = 0.2
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


def routes() -> list[BaseRoute]:
    """Return the routes of exports."""
    return [Route(f"/requests/export.{kind}", _exporter(kind)) for kind in _TYPES]


def _exporter(kind: str) -> Callable[[Request], Any]:
    async def export(request: Request) -> StreamingResponse:
        house, view = house_of(request), View.of(request.query_params)
        if kind == "parquet":
            need("pyarrow")
        pieces = ended(_WRITERS[kind](house.client, view))
        first = await house.ask(step, pieces)  # what keeps it from being read is told before the file begins

        async def stream() -> AsyncIterator[bytes]:
            piece = first
            while piece is not None:
                yield piece
                piece = await _next(house, pieces)

        headers = {"content-disposition": f'attachment; filename="requests.{kind}"'}
        return StreamingResponse(stream(), media_type=_TYPES[kind], headers=headers)

    return export


def ended(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield pieces, and None behind the last: where reading fails, what comes is no end."""
    yield from pieces
    yield None


def step(pieces: Iterator[bytes | None]) -> bytes | None:
    """Return the next piece, None at the end.

    Raises:
        StoreError: it could not be read to its end, and is asked for once more.
    """
    try:
        return next(pieces)
    except StopIteration:
        raise StoreError("what is exported could not be read to its end; ask for it again") from None


async def _next(house: House, pieces: Iterator[bytes | None]) -> bytes | None:
    """Return the next piece; a file that has begun waits where others are told to come back."""
    while True:
        try:
            return await house.ask(step, pieces)
        except HTTPException:
            await asyncio.sleep(_AGAIN_S)


def _asked(client: PromptLog, view: View) -> Any:
    """Return the question: the columns that the view shows, else all, and all metadata, tags and scores."""
    asked = client.search(view.q).sort(view.order, descending=view.descending)
    if not view.columns:
        asked = asked.select("request_id", *FRAME_COLUMNS, "parameters")
        return asked.with_metadata().with_tags().with_scores()
    asked = asked.select("request_id", *(name for name in view.columns if name in COLUMNS))
    keys = [column.label for column in map(cells.shown, view.columns) if column.kind == "metadata"]
    asked = asked.with_metadata(*keys) if keys else asked
    asked = asked.with_tags() if "tags" in view.columns else asked
    return asked.with_scores() if "scores" in view.columns else asked


def _pages(client: PromptLog, view: View) -> Generator[Any, str | None]:
    """Yield the question of each page, which stands behind the last row of the page before."""
    page = asked = _asked(client, view)
    while last := (yield page.limit(_PAGE)):
        page = asked.after(last)


def _rows(client: PromptLog, view: View) -> Iterator[list[dict[str, Any]]]:
    pages = _pages(client, view)
    page = next(pages, None)
    while page is not None:
        rows = page.dicts()
        if rows:
            yield rows
        try:
            page = pages.send(rows[-1]["request_id"] if len(rows) == _PAGE else None)
        except StopIteration:
            return


def _as_csv(client: PromptLog, view: View) -> Iterator[bytes]:
    heads = [_asked(client, view).limit(0).columns()]
    for rows in _rows(client, view):
        yield _lines([*heads, *(row.values() for row in rows)])
        heads = []
    if heads:
        yield _lines(heads)


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(map(_cell, row) for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    """Return a value as a cell: of text that a spreadsheet would run as a formula, an apostrophe makes text again."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _as_jsonl(client: PromptLog, view: View) -> Iterator[bytes]:
    for rows in _rows(client, view):
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
        yield "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


class _Pieces(io.RawIOBase):
    """A file that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self._at += len(self._written[-1])
        return len(self._written[-1])

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken


def _as_parquet(client: PromptLog, view: View) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    pieces = _Pieces()
    writer = None
    pages = _pages(client, view)
    page = next(pages, None)
    while page is not None:
        table = page.arrow()
        if writer is None:
            writer = pq.ParquetWriter(pieces, table.schema, compression="zstd")
        writer.write_table(table)
        yield pieces.take()
        try:
            last = table.column("request_id")[-1].as_py() if table.num_rows == _PAGE else None
            page = pages.send(last)
        except StopIteration:
            page = None
    if writer is not None:
        writer.close()
        yield pieces.take()


_WRITERS: dict[str, Callable[[PromptLog, View], Iterator[bytes]]] = {
    "csv": _as_csv, "jsonl": _as_jsonl, "parquet": _as_parquet,
}  # fmt: skip
