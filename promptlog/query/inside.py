r"""What stands inside JSON: SQL for the values at a path, and for whether one of them is as asked.

A path is walked a key at a time, over a list of values: where a value is a list, its values take its place. That costs one
reading of a row's JSON and no join. As in `texts`, the JSON itself is scanned first for what must stand in it, at the speed
of a scan, and only rows that have that are parsed. What an answer says is JSON within JSON, of which a model may write any
character as `\uXXXX`: rows that have such an escape are parsed all the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from promptlog.query.texts import text_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.expressions.nodes import JsonOperand

    Bind = Callable[[object], str]

_MOST_CHARS = 200_000
_LISTS = 3  # so deep lists that stand in lists are looked through
_TOOL_CALLS = "$.messages[*].tool_calls[*]"
_ARGUMENTS = ["tool_calls", "function", "arguments"]  # JSON within JSON, in OpenAI's shape
#: What stands in JSON as it is, whoever wrote it.
_PLAIN = re.compile(r'[^\x00-\x1f"\\/\x7f]+')
#: A number is compared as DuckDB writes it, which need not be how it was written.
_OF_A_NUMBER = re.compile(r"[0-9.eE+-]*")


def has_value(operand: JsonOperand, column: str, predicate: Callable[[], str], has: str, bind: Bind) -> str:
    """SQL for whether a predicate is true of one of the values at a path, never null.

    Args:
        operand: the path.
        column: SQL for the JSON column.
        predicate: makes SQL that is true of a text `value`.
        has: a part that all values have of which the predicate is true.
        bind: as `Binder.bind`; placeholders are bound in the order of the text.
    """
    likely = _likely(operand, column, has, bind)
    test = f"len(list_filter({_values(operand, column, bind)}, lambda value: coalesce({predicate()}, false))) > 0"
    return _where(likely, test)


def is_there(operand: JsonOperand, column: str, bind: Bind) -> str:
    """SQL for whether there is something at a path but a null, or for whether a column is a JSON object; never null."""
    if operand.path is None:
        if operand.column != "output":
            return f"coalesce(json_type({column}) = 'OBJECT', false)"
        return f"coalesce(json_type({_answer(column)}) = 'OBJECT', false)"
    likely = _likely(operand, column, "", bind)
    nodes = _nodes(operand, column, bind)
    return _where(
        likely, f"len(list_filter({nodes}, lambda node: coalesce(json_type(node) <> 'NULL', false))) > 0"
    )


def first_value(operand: JsonOperand, column: str, cast: str, bind: Bind) -> str:
    """SQL for the first of the values at a path; `cast` is SQL that reads a text `value`."""
    values = f"list_transform({_values(operand, column, bind)}, lambda value: {cast})"
    return f"list_filter({values}, lambda value: value IS NOT NULL)[1]"


def keys_rows(name: str, rows: str) -> str:
    """SQL for rows of `request_id` and `key`: each path to a value, in rows of `request_id` and a column `name`.

    What is very long is left out: a path of a deeply nested one is as long as the whole.
    """
    # A path as DuckDB writes it is $.key[0]."odd key": places in lists are left out, and quotes resolved.
    plain = r"""regexp_replace(step[3:-2], '\\(.)', '\1', 'gs')"""
    step = f"CASE WHEN step[2] = '\"' THEN {plain} ELSE step[2:] END"
    steps = r"""regexp_extract_all(fullkey, '\."(?:[^"\\]|\\.)*"|\.[^."\[]+')"""
    key = f"list_aggregate(list_transform({steps}, lambda step: {step}), 'string_agg', '.')"
    return (
        f"SELECT DISTINCT request_id, {key} AS key FROM (SELECT request_id, {_whole(name)} AS whole FROM ({rows})) found, "
        f"json_tree(CASE WHEN length(whole::VARCHAR) <= {_MOST_CHARS} THEN whole END) "
        f"WHERE type NOT IN ('OBJECT', 'ARRAY', 'NULL')"
    )


def value_rows(operand: JsonOperand, rows: str, bind: Bind) -> str:
    """SQL for rows of `request_id` and `value`: each value at a path, in rows of `request_id` and a column of JSON."""
    values = _values(operand, operand.column, bind)
    found = f"SELECT DISTINCT request_id, unnest({values}) AS value FROM ({rows})"
    return f"SELECT * FROM ({found}) WHERE value IS NOT NULL"


def _whole(name: str) -> str:
    """SQL for all JSON that can be asked for in a column."""
    if name != "output":
        return name
    arguments = "json_extract(node, '$.function.arguments')"
    decoded = f"json_object('function', json_object('arguments', {_parsed(arguments)}))"
    call = f"CASE WHEN json_exists(node, '$.function.arguments') THEN json_merge_patch(node, {decoded}) ELSE node END"
    calls = f"json_object('tool_calls', list_transform(json_extract({name}, '{_TOOL_CALLS}'), lambda node: {call}))"
    return f"CASE WHEN {_calls_tools(name)} THEN {calls} ELSE {_answer(name)} END"


# -- the values at a path ----------------------------------------------------------------------------------------------


def _values(operand: JsonOperand, column: str, bind: Bind) -> str:
    """SQL for a list of the texts, numbers and truths at a path, as texts."""
    text = "CASE WHEN json_type(node) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(node, '$') END"
    return f"list_transform({_nodes(operand, column, bind)}, lambda node: {text})"


def _nodes(operand: JsonOperand, column: str, bind: Bind) -> str:
    """SQL for a list of all that stands at a path, lists looked through; nulls are where there is nothing."""
    path = operand.path or ""
    keys = path.split(".")
    found = _walked(operand.column, column, keys, bind) if all(keys) else "[]"
    if keys == [path]:
        return found
    # One key that has dots in it is rare: what has no such text is not parsed again.
    likely = _has_words(operand.column, column, [_longest([path])], bind)
    dotted = _walked(operand.column, column, [path], bind)
    return f"list_concat({found}, CASE WHEN {likely or 'true'} THEN {dotted} ELSE [] END)"


def _walked(name: str, column: str, keys: list[str], bind: Bind) -> str:
    first = bind(_json_path(keys[0]))
    if name != "output":
        found = f"[json_extract({column}, {first})]"
    else:
        found = f"[json_extract({_answer(column)}, {first})]"
        if keys[0] == "tool_calls":
            called = f"json_extract({column}, '{_TOOL_CALLS}')"
            found = f"CASE WHEN {_calls_tools(column)} THEN {called} ELSE {found} END"
    found = _looked_through(found)
    for depth, key in enumerate(keys[1:], 2):
        found = f"list_transform({found}, lambda node: json_extract(node, {bind(_json_path(key))}))"
        if name == "output" and keys[:depth] == _ARGUMENTS:
            found = f"list_transform({found}, lambda node: {_parsed('node')})"
        found = _looked_through(found)
    return found


def _looked_through(nodes: str) -> str:
    inner = "CASE WHEN json_type(node) = 'ARRAY' THEN json_extract(node, '$[*]') ELSE [node] END"  # keeps the order
    for _ in range(_LISTS):
        nodes = f"flatten(list_transform({nodes}, lambda node: {inner}))"
    return nodes


def _parsed(node: str) -> str:
    """SQL for the object that a text is, else for what there is."""
    inner = f"TRY_CAST(json_extract_string({node}, '$') AS JSON)"
    return f"CASE WHEN json_type({inner}) = 'OBJECT' THEN {inner} ELSE {node} END"


def _json_path(key: str) -> str:
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


# -- what an answer says -----------------------------------------------------------------------------------------------


def _calls_tools(column: str) -> str:
    return f"""contains({column}::VARCHAR, '"tool_calls":[{{')"""


def _answer(column: str) -> str:
    """SQL for the text of an answer as JSON; null where it is none, cannot be an object, or the answer calls tools."""
    # The block that a text begins with begins as the text does, or is blank.
    begins = rf"""regexp_matches({column}::VARCHAR, '"text":"(\\[ntr]| )*\{{')"""
    text = f"TRY_CAST({text_column(column)} AS JSON)"
    return f"CASE WHEN NOT {_calls_tools(column)} THEN CASE WHEN {begins} THEN {text} END END"


# -- what is looked at at all ------------------------------------------------------------------------------------------


def _where(likely: str, test: str) -> str:
    test = f"coalesce({test}, false)"
    return f"CASE WHEN coalesce({likely}, false) THEN {test} ELSE false END" if likely else test


def _likely(operand: JsonOperand, column: str, has: str, bind: Bind) -> str:
    """SQL that is true of all JSON that has the path, and a value with a part; empty where there is nothing to look for."""
    words = [_longest((operand.path or "").split("."))]
    if not _OF_A_NUMBER.fullmatch(has):
        words.append(_longest([has]))
    return _has_words(operand.column, column, words, bind)


def _has_words(name: str, column: str, words: list[str], bind: Bind) -> str:
    found = " AND ".join(f"contains({column}::VARCHAR, {bind(word)})" for word in words if word)
    if found and name == "output":
        return rf"({found} OR contains({column}::VARCHAR, '\\u'))"
    return found


def _longest(texts: list[str]) -> str:
    return max((run for text in texts for run in _PLAIN.findall(text)), key=len, default="")
