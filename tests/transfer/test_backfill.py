"""Backfill, by example: every source, what it is matched by, what is refused, and what a killed one leaves."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from promptlog import PromptLog, col, errors, meta, score
from promptlog.database import backfill as sql
from promptlog.database import store
from tests.processes.support import Child
from tests.samples import START, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Rows = list[dict[str, Any]]
_USERS: Rows = [
    {"user_id": "u0", "plan": "pro", "seats": "3"},
    {"user_id": "u1", "plan": "free", "seats": None},
]


@pytest.fixture
def filled(client: PromptLog) -> PromptLog:
    """Nine requests of three users, oldest first."""
    for number in range(9):
        client.log_request(
            **request(
                request_start_time=START + number,
                request_end_time=START + number + 1,
                metadata={"user_id": f"u{number % 3}", "region": ("eu", "us")[number % 2]},
                prompt_name="cake" if number < 4 else None,
                prompt_version_number=number % 2 + 1 if number < 4 else None,
            )
        )
    return client


def kept(client: PromptLog) -> list[dict[str, str]]:
    """Return the metadata of all requests, oldest first, without what `filled` gave them."""
    found = [request.metadata for request in client.requests.sort("start_time")]
    return [{k: v for k, v in one.items() if k not in ("user_id", "region")} for one in found]


def _csv(rows: Rows, folder: Path) -> Path:
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def _tsv(rows: Rows, folder: Path) -> Path:
    pd.DataFrame(rows).to_csv(folder / "rows.tsv", index=False, sep="\t")
    return folder / "rows.tsv"


def _parquet(rows: Rows, folder: Path) -> Path:
    pl.DataFrame(rows).write_parquet(folder / "rows [1].parquet")
    return folder / "rows [1].parquet"


def _lines(rows: Rows, folder: Path) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def _pattern(rows: Rows, folder: Path) -> str:
    for number, row in enumerate(rows):
        pl.DataFrame([row], schema=dict.fromkeys(row, pl.String)).write_parquet(
            folder / f"part-{number}.parquet"
        )
    return str(folder / "part-*.parquet")


SOURCES: dict[str, Callable[[Rows, Path], Any]] = {
    "pandas": lambda rows, _: pd.DataFrame(rows),
    "polars": lambda rows, _: pl.DataFrame(rows),
    "arrow": lambda rows, _: pa.Table.from_pylist(rows),
    "dicts": lambda rows, _: iter(rows),
    "csv": _csv,
    "tsv": _tsv,
    "parquet": _parquet,
    "jsonl": _lines,
    "pattern": _pattern,
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_writes_the_same(source: str, filled: PromptLog, tmp_path: Path) -> None:
    """A row goes to all requests it matches, an empty cell says nothing, and the report counts all of it."""
    report = filled.backfill(SOURCES[source](_USERS, tmp_path), on=meta("user_id"))
    assert kept(filled) == [{"plan": "pro", "seats": "3"}, {"plan": "free"}, {}] * 3
    assert (report.rows, report.matched, report.unmatched, report.requests) == (2, 2, 0, 6)
    assert (report.inserted, report.replaced, report.unchanged) == (9, 0, 0)


@pytest.mark.parametrize("source", SOURCES)
def test_the_long_form(source: str, filled: PromptLog, tmp_path: Path) -> None:
    """A row for each key: the columns `key` and `value` beside the id, in any order."""
    ids = filled.requests.sort("start_time").ids()
    rows = [
        {"value": "pro", "request_id": ids[0], "key": "plan"},
        {"value": "3", "request_id": ids[0], "key": "seats"},
        {"value": "free", "request_id": ids[1], "key": "plan"},
        {"value": "x", "request_id": str(uuid.UUID(int=7)), "key": "plan"},
    ]
    report = filled.backfill(SOURCES[source](rows, tmp_path), on="request_id")
    assert kept(filled) == [{"plan": "pro", "seats": "3"}, {"plan": "free"}, *[{}] * 7]
    assert (report.rows, report.matched, report.unmatched, report.requests) == (4, 3, 1, 2)
    assert report.sample == [{"request_id": str(uuid.UUID(int=7))}]


def test_again_changes_nothing_and_another_value_replaces(filled: PromptLog) -> None:
    """So a backfill may be run again."""
    assert filled.backfill(_USERS, on=meta("user_id")).inserted == 9
    again = filled.backfill(_USERS, on=meta("user_id"))
    assert (again.inserted, again.replaced, again.unchanged) == (0, 0, 9)
    other = filled.backfill([{"user_id": "u0", "plan": "enterprise"}], on=meta("user_id"))
    assert (other.inserted, other.replaced, other.unchanged) == (0, 3, 0)
    assert filled.requests.filter(meta("plan") == "enterprise").count() == 3
    assert filled.requests.filter(meta("plan") == "pro").count() == 0


def test_what_is_there_can_be_kept(filled: PromptLog) -> None:
    """`overwrite=False` only fills in."""
    first = filled.requests.sort("start_time").ids()[0]
    filled.track.metadata(first, {"plan": "mine"})
    report = filled.backfill(_USERS, on=meta("user_id"), overwrite=False)
    assert (report.inserted, report.replaced, report.unchanged) == (8, 0, 1)
    assert kept(filled)[0] == {"plan": "mine", "seats": "3"}


def test_a_dry_run_says_the_same_and_writes_nothing(filled: PromptLog) -> None:
    """Inserted, replaced, unchanged and unmatched: as the real run says them afterwards."""
    filled.track.metadata(filled.requests.ids()[0], {"plan": "old"})
    rows = [
        *_USERS,
        {"user_id": "u2", "plan": "old", "seats": "1"},
        {"user_id": "zz", "plan": "x", "seats": "1"},
    ]
    before = kept(filled)
    dry = filled.backfill(rows, on=meta("user_id"), dry_run=True)
    assert kept(filled) == before
    assert "would be inserted" in str(dry)
    real = filled.backfill(rows, on=meta("user_id"))
    assert {**vars(real), "dry_run": True} == vars(dry)
    assert real.sample == [{"user_id": "zz"}]
    assert kept(filled) != before


def test_several_things_to_match_by(filled: PromptLog) -> None:
    """All must be equal; a name of the source's own is given by a dict; numbers compare as numbers."""
    rows = [{"user_id": "u0", "region": "us", "both": "yes"}, {"user_id": "u0", "region": "zz", "both": "no"}]
    report = filled.backfill(rows, on=[meta("user_id"), meta("region")])
    assert [one.get("both") for one in kept(filled)] == [None, None, None, "yes", *[None] * 5]
    assert (report.matched, report.requests) == (1, 1)
    frame = pd.DataFrame({"customer": ["u1"], "version": [2.0], "found": ["yes"]})
    filled.backfill(frame, on={"customer": meta("user_id"), "version": col.prompt_version})
    assert [one.get("found") for one in kept(filled)] == [None, "yes", *[None] * 7]
    filled.backfill([{"prompt_name": "cake", "team": "sweets"}], on=col.prompt_name)
    assert [one.get("team") for one in kept(filled)] == ["sweets"] * 4 + [None] * 5


def test_keys_chooses(filled: PromptLog) -> None:
    """Of a wide source its columns, of a long one its rows."""
    filled.backfill(_USERS, on=meta("user_id"), keys=["seats"])
    assert kept(filled) == [{"seats": "3"}, {}, {}] * 3
    long = [{"user_id": "u1", "key": key, "value": "x"} for key in ("a", "b")]
    for source in (long, pl.DataFrame(long)):
        filled.backfill(source, on=meta("user_id"), keys="b")
    assert kept(filled)[1] == {"b": "x"}


def test_rows_are_counted_through_all_files(filled: PromptLog, tmp_path: Path) -> None:
    """In the order of the files' names, so that a message names the row it means."""
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("user_id,p\n" + f"x{number},y\n" * 3000)
    (tmp_path / "3.csv").write_text("user_id,p\nu0,a\nu0,b\n")
    with pytest.raises(errors.InvalidInputError, match="rows 9000 and 9001 both give 'p'"):
        filled.backfill(tmp_path / "*.csv", on=meta("user_id"))


def test_what_is_tracked_later_wins(filled: PromptLog) -> None:
    """And what was removed before may be written again; a removed request stays away."""
    first, second = filled.requests.sort("start_time").ids()[:2]
    filled.backfill(_USERS, on=meta("user_id"))
    filled.track.metadata(first, {"plan": "later"})
    filled.untrack.metadata(second, "plan")
    assert kept(filled)[:2] == [{"plan": "later", "seats": "3"}, {}]
    filled.backfill(_USERS, on=meta("user_id"))
    assert kept(filled)[:2] == [{"plan": "pro", "seats": "3"}, {"plan": "free"}]


_CASTS: dict[str, tuple[list[Any], list[str | None]]] = {
    "whole": ([7, -1, 0], ["7", "-1", "0"]),
    "float": ([7.0, 0.25, float("nan")], ["7", "0.25", None]),
    "bool": ([True, False, None], ["true", "false", None]),
    "date": ([date(2026, 1, 31), date(1970, 1, 1), None], ["2026-01-31", "1970-01-01", None]),
    "naive": (
        [datetime(2026, 1, 31, 12), datetime(2026, 1, 31, 12, 0, 0, 5000), None],  # noqa: DTZ001
        ["2026-01-31T12:00:00", "2026-01-31T12:00:00.005000", None],
    ),
    "zoned": ([datetime(2026, 1, 31, 12, tzinfo=UTC), None, None], ["2026-01-31T12:00:00Z", None, None]),
    "decimal": ([Decimal("1.50"), Decimal("3.00"), Decimal("0.25")], ["1.5", "3", "0.25"]),
    "list": ([["a", "b"], [], None], ['["a","b"]', "[]", None]),
    "struct": ([{"a": "x", "A b": 1}, None, None], ['{"a":"x","A b":1}', None, None]),
    "text": (["007", "", "x"], ["007", "", "x"]),
}


@pytest.mark.parametrize("source", ["dicts", "arrow", "polars", "parquet"])
@pytest.mark.parametrize("kind", _CASTS)
def test_cast_makes_the_same_text_of_every_source(
    kind: str, source: str, filled: PromptLog, tmp_path: Path
) -> None:
    """No trailing .0, ISO times, null means nothing; text is left alone."""
    values, expected = _CASTS[kind]
    rows = [{"user_id": f"u{number}", "cell": value} for number, value in enumerate(values)]
    filled.backfill(SOURCES[source](rows, tmp_path), on=meta("user_id"), cast=True)
    assert [one.get("cell") for one in kept(filled)[:3]] == expected


_REFUSED: list[tuple[Any, Any, dict[str, Any], str]] = [
    ([{"user_id": "u", "n": 3}], meta("user_id"), {}, "row 0, column 'n': 3 is of type int, not a string.*cast=True"),
    (pl.DataFrame({"user_id": ["u", "v"], "n": [None, 3]}), meta("user_id"), {}, "row 1, column 'n': 3 is BIGINT"),
    (pl.DataFrame({"user_id": [7], "n": ["x"]}), meta("user_id"), {}, "row 0, column 'user_id': 7 is BIGINT"),
    ([{"user_id": "u", "n": object()}], meta("user_id"), {"cast": True}, "object has no text"),
    (pl.DataFrame({"user_id": ["u"], "n": [b"x"]}), meta("user_id"), {"cast": True}, "it has no text"),
    ([{"user_id": "u", "p": "a"}, {"user_id": "u", "p": "b"}], meta("user_id"), {}, "rows 0 and 1 both give 'p' to user_id 'u'"),
    (pl.DataFrame({"user_id": ["u", "u"], "p": ["a", "b"]}), meta("user_id"), {}, "rows 0 and 1 both give 'p'"),
    ([{"user_id": "u", "key": "k", "value": v} for v in "ab"], meta("user_id"), {}, "rows 0 and 1 both give 'k'"),
    ([{"request_id": "chatcmpl-1", "p": "a"}], "request_id", {}, "row 0, column 'request_id': 'chatcmpl-1' is no UUID"),
    ([{"prompt_version": "two", "p": "a"}], col.prompt_version, {}, "'two' is no number"),
    ([{"x": "u", "p": "a"}], meta("user_id"), {}, "row 0 has no 'user_id'"),
    (pl.DataFrame({"x": ["u"]}), meta("user_id"), {}, "no column 'user_id' to match by"),
    (pl.DataFrame({"user_id": ["u"]}), meta("user_id"), {}, "no column of metadata"),
    (pl.DataFrame({"user_id": ["u"], "p": ["x"]}), meta("user_id"), {"keys": ["q"]}, "no column 'q'"),
    ([{"user_id": "u", "p": "x"}], meta("user_id"), {"keys": ["p", "q"]}, "keys names 'q', and no row has it"),
    (pd.DataFrame({"user_id": ["u"], "a": ["x"], "A": ["y"]}), meta("user_id"), {}, "differ in case alone"),
    ([{"user_id": "u", "": "x"}], meta("user_id"), {}, "row 0"),
    ([{"user_id": "u", "p": "\ud800"}], meta("user_id"), {}, "surrogate"),
    (["u"], meta("user_id"), {}, "row 0 is of type str"),
    ([{"user_id": "u", "p": "x" * (1 << 25)}], meta("user_id"), {}, "row 0 has 33.6 MB of text; the limit is 16.8 MB"),
    ([{"user_id": "u", "key": "k", "value": "v"}, {"user_id": "v", "key": "k", "value": "v", "p": "x"}],
     meta("user_id"), {}, "row 1 has 'p' beside key and value"),
    (pd.DataFrame({"user_id": ["u", "v", "w"], "p": ["a", None, 3]}), meta("user_id"), {}, "row 2, column 'p': 3 is of type int"),
    (pa.table([["u"], ["a"], ["b"]], ["user_id", "p", "P"]).to_reader(), meta("user_id"), {}, "differ in case alone"),
    (pa.table([["u"], ["a"], ["b"]], ["user_id", "p", "p"]), meta("user_id"), {}, "two columns are called 'p'"),
    ([], meta("user_id"), {"overwrite": "false OR true"}, "overwrite is True or False"),
    ([], meta("user_id"), {"dry_run": 1}, "dry_run is True or False"),
    ("nothing.csv", meta("user_id"), {}, "no file"),
    ({"user_id": "u"}, meta("user_id"), {}, "got dict"),
    ([], [], {}, "on is empty"),
    ([], "modle", {}, "did you mean col.model"),
    ([], col.input_text, {}, "cannot be matched by 'input_text'"),
    ([], meta("n").as_float(), {}, "on takes"),
    ([], score(), {}, "on takes"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "on", "more", "message"), _REFUSED)
def test_what_is_wrong_is_named_and_nothing_written(
    source: Any, on: Any, more: dict[str, Any], message: str, filled: PromptLog
) -> None:
    """The row, the column and the way out."""
    with pytest.raises(errors.InvalidInputError, match=message):
        filled.backfill(source, on=on, **more)
    assert kept(filled) == [{}] * 9
    assert not list((filled.path.parent / "store.duckdb.journal" / "staging").glob("load-*"))


@pytest.mark.parametrize("spelt", [str.upper, lambda text: text.replace("-", "")])
def test_two_spellings_of_an_id_are_one_target(spelt: Callable[[str], str], filled: PromptLog) -> None:
    """What they say may not differ, and counts once where it does not."""
    whole = filled.requests.ids()[0]
    rows = [{"request_id": whole, "p": "a"}, {"request_id": spelt(whole), "p": "b"}]
    with pytest.raises(errors.InvalidInputError, match="rows 0 and 1 both give 'p'"):
        filled.backfill(rows, on="request_id")
    with pytest.raises(errors.InvalidInputError, match=r"both give 'p' to prompt_version '1\.0'"):
        filled.backfill([{"prompt_version": v, "p": v} for v in ("1", "1.0")], on=col.prompt_version)
    assert filled.backfill([{**row, "p": "a"} for row in rows], on="request_id").inserted == 1


def test_a_column_of_strings_and_other_things_is_read_as_dictionaries_are(filled: PromptLog) -> None:
    """Cast says the same of a cell, however many of another type stand before it."""
    users = [f"x{number}" for number in range(3000)] + ["u0", "u1", "u2"]
    cells = ["text"] * 3000 + [True, 2.0, None]
    filled.backfill(pd.DataFrame({"user_id": users, "p": cells}), on=meta("user_id"), cast=True)
    assert [one.get("p") for one in kept(filled)[:3]] == ["true", "2", None]


@pytest.mark.parametrize("row", ["u1", "u1,b,c"])
@pytest.mark.parametrize("before", [1, 30_000])
def test_a_row_of_another_length_is_named(row: str, before: int, filled: PromptLog, tmp_path: Path) -> None:
    """File, line and way out, in a few words; no later row is taken for the header."""
    path = tmp_path / "rows.csv"
    path.write_text("user_id,p\n" + "u0,a\n" * before + row + "\n")
    cells = row.count(",") + 1
    said = rf"rows\.csv, line {before + 2} has {cells} cells and the header 2: give"
    with pytest.raises(errors.InvalidInputError, match=said) as raised:
        filled.backfill(path, on=meta("user_id"))
    assert "\n" not in str(raised.value)
    path.write_text("")
    with pytest.raises(errors.InvalidInputError, match="has no header"):
        filled.backfill(path, on=meta("user_id"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_csv_of_another_system(mark: str, end: str, filled: PromptLog, tmp_path: Path) -> None:
    """With its byte order mark and its ends of lines, quotes and an empty cell."""
    path = tmp_path / "rows.csv"
    lines = ["user_id,plan,it's", 'u0,"a, ""b""",x', "u1,,007"]
    path.write_bytes((mark + end.join(lines)).encode())
    filled.backfill(path, on=meta("user_id"))
    assert kept(filled)[:2] == [{"plan": 'a, "b"', "it's": "x"}, {"it's": "007"}]


def test_a_stream_with_an_empty_column_of_numbers(filled: PromptLog) -> None:
    """It says nothing, as in a table; a number in it is named."""
    empty = pa.table({"user_id": ["u0"], "p": ["x"], "n": pa.array([None], pa.int64())})
    assert filled.backfill(empty.to_reader(), on=meta("user_id")).inserted == 3
    number = pa.table({"user_id": ["u0"], "p": ["x"], "n": pa.array([3], pa.int64())})
    with pytest.raises(errors.InvalidInputError, match="row 0, column 'n': 3 is BIGINT"):
        filled.backfill(number.to_reader(), on=meta("user_id"))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_and_a_byte_order_mark_are_read(
    mark: str, indent: int | None, filled: PromptLog, tmp_path: Path
) -> None:
    """A file of JSON is lines or one array, whatever an editor set before it."""
    path = tmp_path / "rows.json"
    path.write_text(mark + json.dumps(_USERS, indent=indent))
    assert filled.backfill(path, on=meta("user_id")).inserted == 9
    path.write_text(mark + "".join(json.dumps(row) + "\n" for row in _USERS))
    assert filled.backfill(path, on=meta("user_id")).unchanged == 9
    path.write_text(mark + "[\n")
    with pytest.raises(errors.InvalidInputError, match=r"rows\.json' begins as an array"):
        filled.backfill(path, on=meta("user_id"))


@pytest.mark.parametrize("rows", [2, 60_000])
def test_a_quote_that_is_never_closed_loses_no_row(rows: int, filled: PromptLog, tmp_path: Path) -> None:
    """It is refused. A lone quote inside a cell is the cell's."""
    path = tmp_path / "open.csv"
    path.write_text("user_id,p\n" + "x,y\n" * rows + 'u0,"a\n' + "u1,b\n" * 3)
    with pytest.raises(errors.InvalidInputError, match=r"open\.csv: after row"):
        filled.backfill(path, on=meta("user_id"))
    path.write_text('user_id,p\nu0,5" disk\n')
    filled.backfill(path, on=meta("user_id"))
    assert kept(filled)[0] == {"p": '5" disk'}


def test_nanoseconds_with_a_zone(filled: PromptLog) -> None:
    """As Parquet of pandas' has them: to the microsecond, in UTC."""
    moments = pa.array([1_500_000_000, None], pa.timestamp("ns", "Europe/Berlin"))
    filled.backfill(pa.table([["u0", "u1"], moments], ["user_id", "t"]), on=meta("user_id"), cast=True)
    assert [one.get("t") for one in kept(filled)[:2]] == ["1970-01-01T00:00:01.500000Z", None]


@pytest.mark.parametrize("source", ["dicts", "polars"])
def test_texts_too_long_for_memory_are_refused_in_our_words(
    source: str, filled: PromptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, nothing is left."""
    monkeypatch.setattr(sql, "_MEMORY", "15MB")
    rows = [{"user_id": f"u{number}", "p": str(number) * 100_000} for number in range(300)]
    with pytest.raises(errors.InvalidInputError, match="too long for 15MB at once; give it in several parts"):
        filled.backfill(SOURCES[source](rows, tmp_path), on=meta("user_id"))
    assert kept(filled) == [{}] * 9
    assert not list((filled.path.parent / "store.duckdb.journal" / "staging").glob("load-*"))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["dicts", "arrow"])
def test_long_texts_take_bounded_memory(
    source: str, filled: PromptLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that together are larger than the memory are matched and written all the same, in any order."""
    monkeypatch.setattr(sql, "_MEMORY", "250MB")
    monkeypatch.setattr(sql, "_GROUP_BYTES", 8_000_000)
    ids = filled.requests.ids()
    rows = [
        {"request_id": id, "key": f"k{number * 7919 % 5000}", "value": f"{number} " * 1500}
        for number in range(5000)
        for id in ids
    ]
    assert sum(len(row["value"]) for row in rows) > 300_000_000
    report = filled.backfill(SOURCES[source](rows, tmp_path), on="request_id", dry_run=True)
    assert (report.inserted, report.requests) == (45_000, 9)


def test_rows_that_say_the_same_are_no_contradiction(filled: PromptLog) -> None:
    """Nor are rows that give one target different keys."""
    rows = [{"user_id": "u0", "p": "a", "q": None}, {"user_id": "u0", "p": "a", "q": "b"}]
    assert filled.backfill(rows, on=meta("user_id")).inserted == 6
    assert kept(filled)[0] == {"p": "a", "q": "b"}


def test_rows_that_say_the_same_are_counted_alike_by_a_dry_run(
    filled: PromptLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the chunks: all that a request is given stands in one of them."""
    monkeypatch.setattr(sql, "CHUNK_BYTES", 1000)
    rows = [{"request_id": id, "p": "a"} for _ in range(5) for id in filled.requests.ids()]
    dry = filled.backfill(rows, on="request_id", dry_run=True)
    real = filled.backfill(rows, on="request_id")
    assert {**vars(real), "dry_run": True} == vars(dry)
    assert (real.inserted, real.unchanged) == (9, 0)


def test_rows_without_a_value_to_match_by_match_nothing(filled: PromptLog) -> None:
    """However many there are."""
    rows = [{"user_id": None, "p": "a"}, {"user_id": None, "p": "b"}]
    report = filled.backfill(rows, on=meta("user_id"))
    assert (report.rows, report.unmatched, report.inserted) == (2, 2, 0)


def test_many_chunks_are_one_backfill(filled: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are counted together, whatever their size."""
    monkeypatch.setattr(sql, "CHUNK_BYTES", 1_300_000)
    ids = filled.requests.ids()
    rows = [{"request_id": id, **{f"k{number}": "v" for number in range(1000)}} for id in ids]
    report = filled.backfill(rows, on="request_id")
    assert report.inserted == 9000
    assert all(len(one) == 1000 for one in kept(filled))


def test_the_memory_of_indexes_is_let_go_between_chunks(
    filled: PromptLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB keeps what it touched of an index until the file is closed, and a long backfill touches all of it."""
    monkeypatch.setattr(store, "_MOST_INDEX_BYTES", -1)
    assert filled.backfill(_USERS, on=meta("user_id")).inserted == 9
    assert filled._store._connection is None
    assert kept(filled) == [{"plan": "pro", "seats": "3"}, {"plan": "free"}, {}] * 3


_BACKFILL = """
from promptlog import meta
from promptlog.database import backfill
backfill.CHUNK_BYTES = 1_300_000
client = PromptLog(ARGS[0])
rows = [{"who": "w", **{f"k{i}": ARGS[1] for i in range(40)}}]
say("go")
client.backfill(rows, on=meta("who"))
say("done")
"""


@pytest.mark.parametrize("after_ms", [60, 120, 180, 240, 300])
def test_a_killed_backfill_is_finished_by_running_it_again(after_ms: int, tmp_path: Path) -> None:
    """What was written is whole, the copy agrees, and the next run does the rest."""
    path = tmp_path / "store.duckdb"
    with PromptLog(path) as client:
        for number in range(1000):
            client.log_request(
                **request(
                    metadata={"who": "w"}, request_start_time=START + number, request_end_time=START + number
                )
            )
        client.merge()
    with Child(_BACKFILL, path, "x") as child:
        child.expect("go")
        time.sleep(after_ms / 1000)
        child.process.kill()
        child.process.wait()
    with PromptLog(path) as client:
        agree = "SELECT count(*) FROM (SELECT key, value, request_id FROM {} EXCEPT SELECT key, value, request_id FROM {})"
        for tables in (("metadata", "metadata_by_value"), ("metadata_by_value", "metadata")):
            assert client.sql(agree.format(*tables)).fetchall() == [(0,)]
        there = client.sql("SELECT count(*) FROM metadata WHERE value = 'x'").fetchall()[0][0]
        report = client.backfill([{"who": "w", **{f"k{i}": "x" for i in range(40)}}], on=meta("who"))
        assert (report.inserted, report.replaced, report.unchanged) == (40_000 - there, 0, there)
