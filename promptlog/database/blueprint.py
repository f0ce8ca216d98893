"""Content as a prompt blueprint, in SQL: what `models.content` does for one request in Python."""

from __future__ import annotations


def blueprint(json: str, *, said: bool) -> str:
    """SQL for a blueprint of a JSON value; null where it is none, no message and no list of messages.

    `said`: it was text, which may be JSON that a model wrote. So it counts as messages only where each has content.
    """
    messages = f"CASE WHEN {is_kind(json, 'ARRAY')} THEN TRY_CAST({json} AS JSON[]) END"
    inner = f"json_extract({json}, '$.messages')"
    inners = f"CASE WHEN {is_kind(inner, 'ARRAY')} THEN TRY_CAST({inner} AS JSON[]) END"
    content = f"json_extract({json}, '$.content')"
    text = f"json_array(json_object('type', 'text', 'text', json_extract_string({json}, '$.content')))"
    some = f"json_array_length({json}) > 0 AND " if said else ""
    return (
        f"CASE WHEN {is_kind(json, 'ARRAY')} THEN CASE WHEN {some}{_all_are_messages(messages, said=said)} "
        f"THEN json_object('type', 'chat', 'messages', {_in_blocks(messages)}) END "
        f"WHEN NOT {is_kind(json, 'OBJECT')} THEN NULL "
        f"WHEN json_extract_string({json}, '$.type') = 'chat' AND {is_kind(inner, 'ARRAY')} "
        f"THEN CASE WHEN {_all_are_messages(inners, said=False)} "
        f"THEN json_merge_patch({json}, json_object('messages', {_in_blocks(inners)})) END "
        f"WHEN json_extract_string({json}, '$.type') = 'completion' AND json_exists({json}, '$.content') "
        f"THEN CASE WHEN {is_kind(content, 'VARCHAR')} THEN json_merge_patch({json}, json_object('content', {text})) "
        f"WHEN coalesce(json_type({content}), 'NULL') = 'NULL' "
        f"THEN json_merge_patch({json}, json_object('content', json_array())) ELSE {json} END "
        f"WHEN {_all_are_messages(f'[{json}]', said=said)} "
        f"THEN json_object('type', 'chat', 'messages', {_in_blocks(f'[{json}]')}) END"
    )


def _all_are_messages(messages: str, *, said: bool) -> str:
    exists = "json_exists(m, '$.role')" + (" AND json_exists(m, '$.content')" if said else "")
    return f"NOT list_contains(list_transform({messages}, lambda m: coalesce({exists}, false)), false)"


def _in_blocks(messages: str) -> str:
    """SQL for messages whose content is a list of blocks."""
    blocks = "json_array(json_object('type', 'text', 'text', json_extract_string(m, '$.content')))"
    return (
        f"to_json(list_transform({messages}, lambda m: CASE coalesce(json_type(m, '$.content'), 'NULL') "
        f"WHEN 'VARCHAR' THEN json_merge_patch(m, json_object('content', {blocks})) "
        f"WHEN 'NULL' THEN json_merge_patch(m, json_object('content', json_array())) ELSE m END))"
    )


def is_kind(json: str, kind: str) -> str:
    """SQL for whether JSON is of a kind; what is no JSON is of none."""
    return f"coalesce(json_type({json}) = '{kind}', false)"
