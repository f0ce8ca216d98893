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
    test = f"len(list_filter({_read(operand, column, _TEXT, bind)}, lambda value: coalesce({predicate()}, false))) > 0"
    return _where(likely, test)


def is_there(operand: JsonOperand, column: str, bind: Bind) -> str:
    """SQL for whether there is something at a path but a null, or for whether a column is a JSON object; never null."""
    if operand.path is None:
        if operand.column != "output":
            return f"coalesce(json_type({column}) = 'OBJECT', false)"
        return f"coalesce(json_type({_answer(column)}) = 'OBJECT', false)"
    likely = _likely(operand, column, "", bind)
    kinds = _read(operand, column, _KIND, bind)
    return _where(likely, f"len(list_filter({kinds}, lambda kind: coalesce(kind <> 'NULL', false))) > 0")


def first_value(operand: JsonOperand, column: str, cast: str, bind: Bind) -> str:
    """SQL for the first of the values at a path; `cast` is SQL that reads a text `value`."""
    values = f"list_transform({_read(operand, column, _TEXT, bind)}, lambda value: {cast})"
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
    values = _read(operand, operand.column, _TEXT, bind)
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


#: What is read of a value.
_TEXT = "CASE WHEN json_type(node) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(node, '$') END"
_KIND = "json_type(node)"


def _read(operand: JsonOperand, column: str, reading: str, bind: Bind) -> str:
    """SQL for a list of what is read at a path, lists looked through; there are nulls where there is nothing."""
    path = operand.path or ""
    keys = path.split(".")
    found = _walked(operand.column, column, keys, reading, bind) if all(keys) else "[]"
    if keys == [path]:
        return found
    # One key that has dots in it is rare: what has no such text is not parsed again.
    likely = _has_words(operand.column, column, [_longest([path])], bind)
    dotted = _walked(operand.column, column, [path], reading, bind)
    return f"list_concat({found}, CASE WHEN {likely or 'true'} THEN {dotted} ELSE [] END)"


def _walked(name: str, column: str, keys: list[str], reading: str, bind: Bind) -> str:
    if name != "output":
        return _inside(column, keys, reading, bind)
    called = ""
    if keys[0] == "tool_calls":
        calls = _looked_through(f"json_extract({column}, '{_TOOL_CALLS}')")
        calls = _from_there(calls, keys, reading, bind, is_call=True)
        called = f"WHEN {_calls_tools(column)} THEN {calls} "
    said = f"list_transform([{_answer(column)}], lambda whole: {_inside('whole', keys, reading, bind)})[1]"
    return f"CASE {called}ELSE {said} END" if called else said


def _inside(whole: str, keys: list[str], reading: str, bind: Bind) -> str:
    """SQL for what is read in an object. Where no list is on the way, all but what is asked for is left where it is.

    Each function that parses JSON holds what it parsed of some thousand rows, so there are few.
    """
    paths = ["$" + "".join(map(_step, keys[:depth])) for depth in range(1, len(keys) + 1)]
    kinds = f"[json_type({whole}, {bind(paths)}::VARCHAR[])]"
    first = _looked_through(f"[json_extract({whole}, {bind(paths[0])})]")
    listed = _from_there(first, keys, reading, bind)
    there = "kinds[-1]"
    if reading == _TEXT:
        text = f"json_extract_string({whole}, {bind(paths[-1])})"
        there = f"CASE WHEN kinds[-1] <> 'OBJECT' THEN {text} END"
    found = f"CASE WHEN list_contains(kinds, 'ARRAY') THEN {listed} ELSE [{there}] END"
    return f"list_transform({kinds}, lambda kinds: {found})[1]"


def _from_there(nodes: str, keys: list[str], reading: str, bind: Bind, *, is_call: bool = False) -> str:
    """SQL for what is read where the keys but the first lead to from a list of values."""
    for depth, key in enumerate(keys[1:], 2):
        nodes = f"list_transform({nodes}, lambda node: json_extract(node, {bind('$' + _step(key))}))"
        if is_call and keys[:depth] == _ARGUMENTS:
            nodes = f"list_transform({nodes}, lambda node: {_parsed('node')})"
        nodes = _looked_through(nodes)
    return f"list_transform({nodes}, lambda node: {reading})"


def _looked_through(nodes: str) -> str:
    inner = "CASE WHEN json_type(node) = 'ARRAY' THEN json_extract(node, '$[*]') ELSE [node] END"  # keeps the order
    for _ in range(_LISTS):
        nodes = f"flatten(list_transform({nodes}, lambda node: {inner}))"
    return nodes


def _parsed(node: str) -> str:
    """SQL for the object that a text is, else for what there is."""
    inner = f"TRY_CAST(json_extract_string({node}, '$') AS JSON)"
    return f"CASE WHEN json_type({inner}) = 'OBJECT' THEN {inner} ELSE {node} END"


def _step(key: str) -> str:
    return '."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


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
