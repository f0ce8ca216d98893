"""What is filtered, as a file: CSV, JSON Lines or Parquet, written page by page while it is read."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse
from starlette.routing import Route

from promptlog.models.columns import COLUMNS, FRAME_COLUMNS
from promptlog.models.tables import need
from promptlog.server.house import house_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog

_PAGE = 2000
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
        house.client.search(view.q)  # a text that cannot be read is told before the file begins
        pieces = _WRITERS[kind](house.client, view)

        async def stream() -> AsyncIterator[bytes]:
            while (piece := await house.ask(next, pieces, None)) is not None:
                yield piece

        headers = {"content-disposition": f'attachment; filename="requests.{kind}"'}
        return StreamingResponse(stream(), media_type=_TYPES[kind], headers=headers)

    return export


def _pages(client: PromptLog, view: View) -> Generator[Any, str | None]:
    """Yield the question of each page, with all metadata, tags and scores; each stands behind the last row before."""
    chosen = tuple(name for name in view.columns if name in COLUMNS)
    names = dict.fromkeys(("request_id", *(chosen or (*FRAME_COLUMNS, "parameters"))))
    asked = client.search(view.q).sort(view.order, descending=view.descending).select(*names)
    asked = asked.with_metadata().with_tags().with_scores()
    last: str | None = None
    while True:
        page = (asked if last is None else asked.after(last)).limit(_PAGE)
        found = yield page
        last = found
        if last is None:
            return


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
    first = True
    for rows in _rows(client, view):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        if first:
            writer.writeheader()
            first = False
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        yield text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
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
