"""Asking, by example: what each part of a question means and how it ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl
import pytest

from promptlog import PromptLog, Request, col, errors, meta, score, since, tag, until
from tests.samples import START, request

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition


@pytest.fixture
def filled(client: PromptLog) -> PromptLog:
    """Six requests of three users."""
    for number in range(6):
        client.log_request(
            **request(
                input=f"question {number}",
                model=("gpt-4o", "o1")[number % 2],
                request_start_time=START + number,
                request_end_time=START + number + 0.1 * (number + 1),
                metadata={"user_id": f"u{number % 3}", "price": ("3", "12", "none")[number % 3]},
                tags=["even"] if number % 2 == 0 else [],
                score=number * 10,
                input_tokens=None if number == 5 else number,
            )
        )
    return client


def texts(found: list[Request]) -> list[str]:
    """Return the numbers of the questions."""
    return [request.input_text.removeprefix("question ") for request in found]


def test_the_newest_come_first(filled: PromptLog) -> None:
    """Without a sort, requests are listed as a log is read: the latest on top."""
    assert texts(list(filled.requests)) == ["5", "4", "3", "2", "1", "0"]
    first = filled.requests.first()
    assert first is not None
    assert first.input_text == "question 5"


def test_numbers_compare_as_numbers(filled: PromptLog) -> None:
    """As text "12" is below "3"; as_float knows better, and what is no number is not above anything."""
    assert texts(list(filled.requests.filter(meta("price").as_float() > 3))) == ["4", "1"]
    assert texts(list(filled.requests.filter(meta("price") > "2"))) == ["5", "3", "2", "0"]


def test_conditions_combine(filled: PromptLog) -> None:
    """and, or, not, in any depth."""
    wanted = (tag("even") & (col.model == "gpt-4o")) | (score() == 50)
    assert texts(list(filled.requests.filter(wanted, ~(meta("user_id") == "u0")))) == ["5", "4", "2"]


def test_a_missing_value_makes_a_comparison_false_and_its_negation_true(filled: PromptLog) -> None:
    """Two-valued, `!=` included."""
    assert texts(list(filled.requests.filter(col.input_tokens != 1))) == ["4", "3", "2", "0"]
    assert "5" in texts(list(filled.requests.filter(~(col.input_tokens == 1))))
    assert filled.requests.filter(meta("nobody") != "x").count() == 0
    assert filled.requests.filter(~(meta("nobody") == "x")).count() == 6


def test_time_windows(filled: PromptLog) -> None:
    """since includes its moment, until does not; a span counts back from the question."""
    assert texts(list(filled.requests.filter(since(START + 2), until(START + 4)))) == ["3", "2"]
    assert filled.requests.filter(since("1h")).count() == 0
    assert filled.requests.filter(until("1h")).count() == (6 if START < 1.7e9 else filled.requests.count())


def test_sort_and_limit(filled: PromptLog) -> None:
    """Sorted by columns, nulls last; the limit counts after the sort."""
    assert texts(list(filled.requests.sort("latency_ms").limit(2))) == ["0", "1"]
    assert texts(list(filled.requests.sort(col.model, col.start_time)))[:3] == ["0", "2", "4"]
    assert texts(list(filled.requests.sort("input_tokens", descending=True)))[-1] == "5"
    assert filled.requests.limit(0).first() is None


def test_questions_are_immutable(filled: PromptLog) -> None:
    """A question that is refined stays what it was."""
    every = filled.requests
    some = every.filter(tag("even"))
    assert (every.count(), some.count(), some.limit(1).count()) == (6, 3, 1)


def test_frames(filled: PromptLog) -> None:
    """pandas, polars and Arrow hold the same; times carry their zone, keys become columns."""
    question = (
        filled.requests.select("request_id", "start_time", "model")
        .with_metadata("user_id", "nobody")
        .with_tags()
    )
    frame, polars, arrow = question.df(), question.pl(), question.arrow()
    assert list(frame.columns) == polars.columns == arrow.column_names
    assert list(frame.columns) == ["request_id", "start_time", "model", "user_id", "nobody", "tags"]
    assert frame["user_id"].tolist() == polars["user_id"].to_list() == ["u2", "u1", "u0", "u2", "u1", "u0"]
    assert str(frame["start_time"].dtype) == "datetime64[us, UTC]"
    assert polars["start_time"].dtype == pl.Datetime("us", "UTC")
    assert polars["tags"].to_list() == [[], ["even"], [], ["even"], [], ["even"]]
    assert frame["nobody"].isna().all()
    assert isinstance(frame, pd.DataFrame)


def test_a_metadata_key_named_as_a_column_is_shown_beside_it(client: PromptLog) -> None:
    """`model` as metadata does not hide the model."""
    client.log_request(**request(metadata={"model": "mine", 'we"ird': "yes"}))
    row = client.requests.with_metadata("model", 'we"ird').with_scores("default").dicts()[0]
    assert (row["model"], row["metadata.model"], row['we"ird'], row["score.default"]) == (
        "gpt-4o",
        "mine",
        "yes",
        None,
    )


def test_names_never_collide(client: PromptLog) -> None:
    """Whatever keys are called, each column has a name of its own, in every kind of frame."""
    client.log_request(**request(metadata={"model": "a", "metadata.model": "b", "tags": "c", "Model": "d"}))
    question = client.requests.with_metadata("metadata.model", "model", "tags", "Model").with_tags()
    (row,) = question.dicts()
    assert sorted(question.df().columns) == sorted(row) == sorted(question.pl().columns)
    assert {"a", "b", "c", "d"} <= {value for value in row.values() if isinstance(value, str)}


def test_hundreds_of_conditions(filled: PromptLog) -> None:
    """A long chain is flat, and answered."""
    wanted = meta("user_id") == "u0"
    for number in range(600):
        wanted = wanted | (meta("user_id") == f"nobody {number}")
    assert filled.requests.filter(wanted).count() == 2


def test_large_numbers_are_told_apart_beside_a_fraction(client: PromptLog) -> None:
    """Beside a fraction DuckDB compares whole numbers as fractions, and these two look alike then."""
    for group in (2**53, 2**53 + 1):
        client.log_request(**request(group_id=group))
    for beside in (1.5, -(2**63)):
        found = client.requests.filter(col.group_id.is_in([beside, 2**53 + 1]))
        assert [one.group_id for one in found] == [2**53 + 1]


def test_whole_maps(filled: PromptLog) -> None:
    """Without names, all metadata and all scores stand in one column each."""
    row = filled.requests.with_metadata().with_scores().dicts()[0]
    assert (row["metadata"], row["scores"]) == ({"price": "none", "user_id": "u2"}, {"default": 50.0})


def test_get(filled: PromptLog) -> None:
    """One request by its id, or by a beginning that no other shares."""
    request_id = filled.requests.ids()[0]
    assert filled.requests.get(request_id).request_id == request_id
    assert filled.requests.get(request_id[:20]).request_id == request_id
    with pytest.raises(errors.InvalidRequestIdError, match="beginning of several"):
        filled.requests.get(request_id[:2])
    with pytest.raises(errors.RequestNotFoundError):
        filled.requests.get("00000000-0000-7000-8000-000000000000")
    with pytest.raises(errors.InvalidRequestIdError, match="no UUID"):
        filled.requests.get("chatcmpl-1")


def test_an_empty_store_answers(client: PromptLog) -> None:
    """Nothing logged is an answer, not an error."""
    assert (client.requests.count(), client.requests.first(), client.requests.ids()) == (0, None, [])
    assert client.requests.with_metadata("k").df().empty


def test_iteration_pages(client: PromptLog) -> None:
    """More requests than a page come whole and in order, and the store is free while the caller thinks."""
    client.log_many(
        [{**request(), "request_start_time": START + n, "request_end_time": START + n} for n in range(1203)]
    )
    iterator = iter(client.requests)
    next(iterator)
    client.track.metadata(client.requests.ids()[-1], {"late": "yes"})  # asked within the loop
    starts = [found.start_time for found in iterator]
    assert len(starts) == 1202
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: col.latncy_ms, r"did you mean col.latency_ms.*meta\('latncy_ms'\)"),
        (lambda: col("user_id"), "meta"),
        (lambda: meta("a") == 3, r"compare numbers by meta\('a'\).as_float\(\), or with the text '3'"),
        (lambda: col.latency_ms > "5", "number"),
        (lambda: col.status == "error", "SUCCESS, WARNING, ERROR, got 'error'"),
        (lambda: col.status.is_in(["ERROR", "FAILED"]), "got 'FAILED'"),
        (lambda: col.model == None, "is_null"),  # noqa: E711
        (lambda: col.latency_ms.contains("5"), "no text"),
        (lambda: meta("a").is_in("abc"), "list of values"),
        (lambda: meta("n").as_int() == 1.5, "whole number"),
        (lambda: since("last week"), "7d"),
        (lambda: score("x").between(0, math.nan), "number"),
    ],
)
def test_what_cannot_be_meant_raises_at_once(wrong: object, message: str) -> None:
    """A typo or a wrong type is an error where it is written, not an empty answer later."""
    with pytest.raises(errors.InvalidInputError, match=message):
        wrong()  # type: ignore[operator]


def test_columns_are_no_metadata(client: PromptLog) -> None:
    """Who wants to see metadata in a frame is told how."""
    with pytest.raises(errors.UnknownColumnError, match=r"\.with_metadata\('user_id'\)"):
        client.requests.select("user_id")
    with pytest.raises(errors.InvalidInputError, match=r"\.with_metadata\(key\)"):
        client.requests.select(meta("user_id"))


def test_a_condition_is_no_bool() -> None:
    """`and`, `if` and a missing parenthesis are caught, with the advice to use &."""
    condition = meta("a") == "b"
    with pytest.raises(errors.ConditionAsBoolError, match="a & b"):
        bool(condition)
    with pytest.raises(TypeError, match="parentheses"):
        condition & "x"  # type: ignore[operator]


def test_missing_parentheses_are_named() -> None:
    """`&` binds closer than `==`: Python itself would only say that a str and an Expression do not go together."""
    with pytest.raises(errors.ConditionAsBoolError, match="without parentheses"):
        col.model == "gpt-4o" & col.latency_ms  # noqa: B015


def test_hasattr_and_copies_of_col_behave() -> None:
    """Tools that look around meet no surprise."""
    import copy

    assert not hasattr(col, "nonsense")
    assert copy.copy(col) is not None
    assert "latency_ms" in dir(col)


def test_conditions_beyond_what_duckdb_plans_are_refused_in_words(client: PromptLog) -> None:
    """Thousands joined, or nested; of one key's values they are one list, and any number will do."""
    client.log_request(**request(metadata={"k0": "x"}))
    one: Condition = meta("k0") == "x"
    joined, nested, values = one, one, one
    for number in range(3000):
        joined |= meta(f"k{number}") == "x"
        values |= meta("k0") == str(number)
        nested = ~nested
    assert client.requests.filter(values).count() == 1
    for wrong, said in ((joined, "3,000 conditions joined by OR"), (nested, "nested more than 100 deep")):
        with pytest.raises(errors.InvalidInputError, match=said):
            client.requests.filter(wrong).count()
