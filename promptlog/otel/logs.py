"""A log record that belongs to a call, as a record of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.identifiers import LATEST_US
from promptlog.otel import events
from promptlog.otel.sorting import is_content_name
from promptlog.otel.strings import DROPPED

if TYPE_CHECKING:
    from promptlog.otel.data import LogData

_RESPONSE_ID = "gen_ai.response.id"


def log_record(log: LogData, *, capture_content: bool = True) -> dict[str, Any] | None:
    """Return the record of a log that holds messages or an evaluation; None of any other log, or of one without content.

    Args:
        log: the log record.
        capture_content: False keeps out messages; evaluations stay.
    """
    name = log.name or log.attributes.get("event.name")
    if not isinstance(name, str):
        return None
    made: dict[str, Any] = {"time": min(max(log.time_us, 0), LATEST_US), "name": name}
    attributes = dict(log.attributes)
    attributes.pop("event.name", None)
    if name == events.EVALUATION:
        source = {**log.body, **attributes} if isinstance(log.body, dict) else attributes
        judged, why = events.evaluation(source)
        if judged is None:
            return None
        made["score"] = judged
        attributes = {
            key: value for key, value in attributes.items() if not key.startswith("gen_ai.evaluation.")
        }
        if why:
            attributes[DROPPED] = [why]
    elif (name in events.SPOKEN or name == events.DETAILS) and capture_content:
        source = (
            {**log.body, **attributes}
            if name == events.DETAILS and isinstance(log.body, dict)
            else attributes
        )
        told = events.said(name, log.body, source)
        if not (told.input or told.output):
            return None
        for side in ("input", "output"):
            if said := getattr(told, side):
                made[side] = said
        for used in told.used:
            attributes.pop(used, None)
    else:
        return None
    if not capture_content:
        attributes = {key: value for key, value in attributes.items() if not is_content_name(key)}
    response_id = attributes.pop(_RESPONSE_ID, None)
    if isinstance(response_id, str) and response_id:
        made["response_id"] = response_id
    for key in ("trace_id", "span_id"):
        if value := getattr(log, key):
            made[key] = value
    if attributes:
        made["attributes"] = attributes
    return {"kind": "log", "source_time": made["time"], "log": made}
