"""`search`: requests by a text of the search language."""

from __future__ import annotations

from textwrap import wrap
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from promptlog.cli.listing import Limit, Show, Sort, print_requests
from promptlog.cli.options import Json, Store, open_client
from promptlog.models.columns import COLUMNS

#: What the language has. The letter \b before a paragraph keeps its lines as they are.
HELP = """Find requests by a text such as 'user_id:u1 tag:prod cake'.

All terms must hold. With --json, one request whole a line.

\b
cake, "chocolate cake"     input or output has it, whatever its case
user_id:u1 model:gpt-4*    is it, begins with it
model:*mini model:*mini*   ends with it, contains it
region:(eu OR us)          is one of several
latency_ms>500             also >= < <= and a range: cost_usd:0.01..1, 5..*
plan!=pro                  is there and is something else
plan:missing plan:exists   is not there, is there
tag:production             has the tag
score<60 score.quality<60  a score; one of another name than "default"
since:7d until:2026-02-01  when it started: a span before now, or a moment
start_time:2026-01-31      on that day; times are UTC
-status:error              not; also NOT x, a AND b, (a OR b)
output_text:cake           this text has it, whatever its case; also plan~pro
k::int>3                   metadata read as ::text ::float ::int ::datetime
input_variables.cake:plum  inside JSON; also parameters.top_p>0.5
output.result.status:ok    inside an answer that is JSON; output::json:exists

A name is a column where there is one of that name, else a metadata key. col.NAME is always a column,
meta.KEY always a key: meta.model:x, meta."my key":x, meta.output.x:y. A misspelt column is thus a key that no request has.

In running text (input_text, output_text, input, output, parameters, input_variables, error_message) a colon
looks for a part, whatever its case, and = compares the whole. All other text is compared letter for letter, a
status in any case. Metadata is text; with < and > a number compares
as a number, a date as a date. Quote what has blanks, parentheses or : < > = ~, and what shall be no word or
star of the language: plan:"missing". In quotes \\" is a quote and \\\\ a backslash.

\b
Columns:
"""
HELP += "\n".join(wrap(", ".join(COLUMNS), 74, initial_indent="  ", subsequent_indent="  "))


class SearchCommand(TyperCommand):
    """A command whose text may begin with a minus sign."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; `-status:error` is no cluster of short options, for there are none but `-h`."""
        # A blank before it means nothing to the language, and to the parser of options that it is none.
        return super().parse_args(ctx, [f" {arg}" if _is_text(arg) else arg for arg in args])


def _is_text(arg: str) -> bool:
    return arg.startswith("-") and not arg.startswith("--") and arg != "-h"


def search(
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="What to look for, in single quotes; '' finds all."),
    ],
    limit: Limit = 20,
    sort: Sort = None,
    show: Show = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Print the requests that a search text asks for."""
    from promptlog.expressions.search import parse

    condition = parse(" ".join(text).strip())
    client = open_client(store)
    print_requests(client, [condition], sort=sort, limit=limit, keys=show, json=json)
