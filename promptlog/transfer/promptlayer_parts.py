"""What PromptLayer's API returns beside requests: traces and versions of prompts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.identifiers import to_us
from promptlog.models.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRACE_ID, _SPAN_ID = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
_KINDS = ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUS = ("UNSET", "OK", "ERROR")
#: What is kept of a span as it comes, and its type.
_AS_IT_IS: dict[str, type] = {
    "attributes": dict, "events": list, "links": list, "resource": dict, "scope": str, "metadata": dict, "tags": list,
}  # fmt: skip


def is_trace(given: Mapping[str, Any]) -> bool:
    """Return whether this is an answer of `/api/public/v2/traces/{id}`."""
    return "trace_id" in given and isinstance(given.get("spans"), list)


def is_prompt(given: Mapping[str, Any]) -> bool:
    """Return whether this is a version of a prompt, as lists and `/prompt-templates/{name}` have it."""
    return {"prompt_name", "prompt_template", "version"} <= given.keys()


def span_records(given: Mapping[str, Any], where: str) -> Iterator[bytes]:
    """Give the record of each span of a trace. It yields to one that is here already: its time is the span's and a bit.

    Raises:
        InvalidInputError: a span has no ids or times.
    """
    for place, span in enumerate(given["spans"]):
        try:
            yield encode(_span(str(given["trace_id"]), span))
        except InvalidInputError as error:
            error.args = (f"{where}, span {place}: {error}",)
            raise


def _span(trace_id: str, given: Any) -> dict[str, Any]:
    span_id = given.get("span_id") if isinstance(given, dict) else None
    if not (_TRACE_ID.fullmatch(trace_id) and isinstance(span_id, str) and _SPAN_ID.fullmatch(span_id)):
        raise InvalidInputError("it has no span_id of 16 hex digits, or its trace no id of 32")
    start = to_us(given.get("start_time"), "start_time")
    end = max(start, to_us(given.get("end_time") or given.get("start_time"), "end_time"))
    status = given.get("status") if isinstance(given.get("status"), dict) else {}
    span = {
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": given.get("parent_id") or None,
        "name": str(given.get("name") or ""),
        "kind": _last(given.get("kind"), _KINDS),
        "start_time": start,
        "end_time": end,
        "status": _last(status.get("status_code"), _STATUS),
        "status_message": status.get("description") or None,
        **{name: found for name, kind in _AS_IT_IS.items() if isinstance(found := given.get(name), kind)},
    }
    kept = {name: value for name, value in span.items() if value not in (None, {}, [])}
    return {"kind": "span", "source_time": start + 1, "span": kept}


def _last(given: Any, names: tuple[str, ...]) -> str:
    """Return the last part of a name such as "SpanKind.CLIENT"; the first of all where it is none."""
    last = str(given).rpartition(".")[2]
    return last if last in names else names[0]
