"""What a notebook shows of a question: its words, how many requests there are, and the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.html import ROWS, rows_page
from promptlog.models.columns import FRAME_COLUMNS
from promptlog.query.question import in_words

if TYPE_CHECKING:
    from promptlog.query.requests import Requests

_COLUMNS = (
    "request_id",
    "start_time",
    "model",
    "input_text",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "status",
)


def requests_page(requests: Requests) -> str:
    """Return the first requests of a question as HTML, under the question in words."""
    asked = requests._question  # noqa: SLF001 - the rooms of a question
    few = requests.limit(ROWS if asked.limit is None else min(ROWS, asked.limit))
    if asked.columns == FRAME_COLUMNS:  # nobody chose them, and a notebook has no room for all
        few = few.select(*_COLUMNS)
    names, rows = few._fetch()  # noqa: SLF001 - likewise
    return rows_page(in_words(asked), names, rows, total=requests.count())
