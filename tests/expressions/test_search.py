"""The search language by examples: what texts mean, how conditions print, and where errors point."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from promptlog import PromptLog, col, errors, meta, score, since, tag, until
from promptlog.errors import SearchSyntaxError
from promptlog.expressions.nodes import And, Condition, Or
from promptlog.expressions.search import parse

if TYPE_CHECKING:
    from pathlib import Path

_ID = "0190a5c2-1b3f-7abc-8def-0123456789ab"


def said(text: str) -> Condition:
    """Input or output has the text, whatever its case."""
    return col.input_text.contains(text, case=False) | col.output_text.contains(text, case=False)


_DAY = datetime(2026, 1, 31, tzinfo=UTC)
_EXAMPLES: list[tuple[str, Condition]] = [
    ("", And(())),
    (" \n\t", And(())),
    ("*", And(())),
    # words and phrases
    ("cake", said("cake")),
    ('"chocolate cake"', said("chocolate cake")),
    ("choc*", said("choc")),
    ("don't C++ 50% a-b -", And(tuple(map(said, ("don't", "C++", "50%", "a-b", "-"))))),
    ("and or not missing", And(tuple(map(said, ("and", "or", "not", "missing"))))),
    ('"AND"', said("AND")),
    (r'"a \"b\" \\ \* \n \t \r \u00e9 \U0001f600"', said('a "b" \\ * \n \t \r é 😀')),
    ('""', said("")),
    # joining
    ("a b", said("a") & said("b")),
    ("a AND b", said("a") & said("b")),
    ("a OR b", Or((said("a"), said("b")))),
    ("a b OR c AND d", Or((said("a") & said("b"), said("c") & said("d")))),
    ("a (b OR c)", And((said("a"), Or((said("b"), said("c")))))),
    ("-a", ~said("a")),
    ("NOT a", ~said("a")),
    ("-(a b) c", And((~(said("a") & said("b")), said("c")))),
    ("NOT(a OR b)", ~Or((said("a"), said("b")))),
    ("--a", ~~said("a")),
    # names
    ("model:gpt-4o", col.model == "gpt-4o"),
    ("user_id:user_123", meta("user_id") == "user_123"),
    ("meta.model:x", meta("model") == "x"),
    ("col.model:x", col.model == "x"),
    ('meta."my key":x', meta("my key") == "x"),
    (r'meta."a \"b\"":x', meta('a "b"') == "x"),
    ("gen_ai.request.id:x", meta("gen_ai.request.id") == "x"),
    ("meta.a.b:x meta.meta:x", (meta("a.b") == "x") & (meta("meta") == "x")),
    ("tag:production", tag("production")),
    ('tag:"to do"', tag("to do")),
    ("tag:(a OR b)", Or((tag("a"), tag("b")))),
    ("tag!=a", ~tag("a")),
    ("meta.tag:a", meta("tag") == "a"),
    ("score<60", score() < 60),
    ("score.quality<60", score("quality") < 60),
    ('score."my score":exists', score("my score").exists()),
    ("since:7d", since("7d")),
    ("since:90m until:1.5h", since("90m") & until("1.5h")),
    ("until:2026-01-01", until("2026-01-01")),
    ("until:+1d", until(timedelta(days=-1))),
    # values
    ("model:gpt-4*", col.model.starts_with("gpt-4")),
    ('model:"gpt 4"*', col.model.starts_with("gpt 4")),
    ("model:*mini*", col.model.contains("mini")),
    ("model:*mini", col.model.ends_with("mini")),
    ('model:*"4 mini"', col.model.ends_with("4 mini")),
    ("status:*or", col.status.ends_with("OR")),
    ('model:"gpt-4*"', col.model == "gpt-4*"),
    (r"model:gpt-4\*", col.model == "gpt-4*"),
    ("model:*", col.model.exists()),
    ("plan:missing", meta("plan").is_null()),
    ("plan:exists", meta("plan").exists()),
    ('plan:"missing"', meta("plan") == "missing"),
    ("plan!=pro", meta("plan") != "pro"),
    ("plan~PRO", meta("plan").contains("PRO", case=False)),
    ("region:(eu OR us)", meta("region").is_in(["eu", "us"])),
    ("region:(eu OR us*)", (meta("region") == "eu") | meta("region").starts_with("us")),
    ("region:()", meta("region").is_in([])),
    ("url:https://a.b/c", meta("url") == "https://a.b/c"),
    ('note:""', meta("note") == ""),
    ("k:3", meta("k") == "3"),
    ("k:a..b", meta("k") == "a..b"),
    # numbers
    ("latency_ms>500", col.latency_ms > 500),
    ("latency_ms > 500", col.latency_ms > 500),
    ("latency_ms:>500", col.latency_ms > 500),
    ("latency_ms==500", col.latency_ms == 500),
    ("cost_usd>=0.01", col.cost_usd >= 0.01),
    ("cost_usd>1e-3", col.cost_usd > 0.001),
    ("latency_ms>-5", col.latency_ms > -5),
    ("latency_ms:100..500", col.latency_ms.between(100, 500)),
    ("latency_ms:100..*", col.latency_ms >= 100),
    ("latency_ms:..500", col.latency_ms <= 500),
    ("input_tokens:(1 OR 2)", col.input_tokens.is_in([1, 2])),
    ("latency_ms:(5 OR 7..*)", (col.latency_ms == 5) | (col.latency_ms >= 7)),
    ("price>3", meta("price").as_float() > 3),
    ("meta.price<=2.5", meta("price").as_float() <= 2.5),
    ("price:1..2", meta("price").as_float().between(1, 2)),
    ("price::int>3", meta("price").as_int() > 3),
    ("price::float:3", meta("price").as_float() == 3),
    ("name::text<b", meta("name") < "b"),
    # times
    ("start_time>=2026-01-31T12:00:00Z", col.start_time >= "2026-01-31T12:00:00Z"),
    ('start_time<"2026-01-31 12:00"', col.start_time < "2026-01-31T12:00:00Z"),
    ("start_time:2026-01-31", (col.start_time >= _DAY) & (col.start_time < _DAY + timedelta(days=1))),
    ("start_time<=2026-01-31", col.start_time < _DAY + timedelta(days=1)),
    ("start_time>2026-01-31", col.start_time >= _DAY + timedelta(days=1)),
    ("start_time:2026-01-01..2026-01-31", (col.start_time >= "2026-01-01") & (col.start_time < "2026-02-01")),
    ("due<2026-01-31", meta("due").as_datetime() < _DAY),
    ("due::datetime:exists", meta("due").as_datetime().exists()),
    # inside JSON
    ("input_variables.cake_type:Chocolate", col.input_variables["cake_type"] == "Chocolate"),
    ("output.result.status:(ok OR done)", col.output["result"]["status"].is_in(["ok", "done"])),
    ('output."odd key":x*', col.output["odd key"].starts_with("x")),
    ("output.score>0.9", col.output["score"] > 0.9),
    ("output.score::float:1", col.output["score"] == 1),
    ("output.n::int:3", col.output["n"].as_int() == 3),
    ("output.score:0.5..0.9", col.output["score"].between(0.5, 0.9)),
    ("output.ok:true", col.output["ok"] == True),  # noqa: E712 - a truth, as JSON has it
    ("output.error:missing", col.output["error"].is_null()),
    ("parameters.stop~END", col.parameters["stop"].contains("END", case=False)),
    ("output::json:exists", col.output.is_json()),
    ("output::json:missing", ~col.output.is_json()),
    ("meta.output.x:1", meta("output.x") == "1"),
    ("input.x:1", meta("input.x") == "1"),
    # what is its own
    ("status:error", col.status == "ERROR"),
    ("status:(error OR Warning)", col.status.is_in(["ERROR", "WARNING"])),
    ("status:err*", col.status.starts_with("ERR")),
    ("output_text:cake", col.output_text.contains("cake", case=False)),
    ("output_text=cake", col.output_text == "cake"),
    ("error_message:timeout", col.error_message.contains("timeout", case=False)),
    (f"request_id:{_ID}", col.request_id == _ID),
    ("request_id:0190a5*", col.request_id.between("0190a5" + "0" * 26, "0190a5" + "f" * 26)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "condition"), _EXAMPLES, ids=[text for text, _ in _EXAMPLES])
def test_what_a_text_means(text: str, condition: Condition) -> None:
    """A text gives the condition that Python writes so, and that prints as a text of the same meaning."""
    assert parse(text) == condition
    assert parse(str(condition)) == condition


def test_the_issues_own_example() -> None:
    """All that was promised stands in one text."""
    text = (
        "user_id:user_123 tag:production latency_ms>500 cost_usd>=0.01 model:gpt-4* -status:error score.quality<60 "
        'meta.price>3 since:7d "chocolate cake" (region:eu OR region:us) meta.plan:missing'
    )
    assert parse(text) == And(
        (
            meta("user_id") == "user_123", tag("production"), col.latency_ms > 500, col.cost_usd >= 0.01,
            col.model.starts_with("gpt-4"), ~(col.status == "ERROR"), score("quality") < 60,
            meta("price").as_float() > 3, since("7d"), said("chocolate cake"),
            (meta("region") == "eu") | (meta("region") == "us"), meta("plan").is_null(),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (And(()), ""),
        ((col.latency_ms > 500) & tag("a b"), 'latency_ms>500 tag:"a b"'),
        (meta("a").is_in(["x", "y z"]) | since("7d"), 'a:(x OR "y z") OR since:7d'),
        (~(meta("a") == "missing") & (tag("x") | tag("y")), '-a:"missing" (tag:x OR tag:y)'),
        (meta("model").is_null() & meta("p").as_int().exists(), "meta.model:missing p::int:exists"),
        (And((tag("a"),)), "(AND tag:a)"),
        (Or(()), "(OR)"),
        (Or((And(()), tag("a"))), "* OR tag:a"),
        (since(timedelta(microseconds=1)), "since:1us"),
        (until("2026-01-31T12:00:00.5Z"), "until:2026-01-31T12:00:00.500000Z"),
        (meta("a") == "\x1b\n\u202e", r'a:"\u001b\n\u202e"'),
        (said("Cake"), "Cake"),
    ],
    ids=str,
)
def test_how_a_condition_prints(condition: Condition, text: str) -> None:
    """A condition prints as people would write it."""
    assert str(condition) == text
    assert repr(condition) == f"<Condition {text or '(all requests)'}>"
    assert parse(text) == condition


_ERRORS: list[tuple[str, int, str]] = [
    ("latency_ms>", 11, "a value"),
    ("latency_ms>abc", 11, "a number"),
    ("tag:a latency_ms:1..b", 17, "a number"),
    ("latency_ms:(1 OR b)", 17, "a number"),
    ("latency_ms:5*", 11, "a number"),
    ("k::int:1.5", 7, "a whole number"),
    ("start_time>last-year", 11, "a date"),
    ("start_time:2026-02-30", 11, "a date"),
    ("start_time:9999-12-31", 11, "a date"),
    ("request_id:xyz", 11, "the id"),
    ("status:foo", 7, "SUCCESS, WARNING, ERROR"),
    ("since:last-year", 6, "a span or a moment"),
    ("since>7d", 5, "a colon"),
    ("meta.price>abc", 11, "a number or a date"),
    ("user_id: x", 8, "a value right after the colon"),
    ("user_id:", 8, "a value right after the colon"),
    ("k:>", 2, "a value right after the colon"),
    ('a "open', 2, "a closing quote"),
    ('k:"open', 2, "a closing quote"),
    (r'k:"a\q"', 5, "after \\ in quotes"),
    (r'"\ud800"', 2, "after \\ in quotes"),
    ('"my key":x', 8, 'meta."my key":x'),
    ('"a"b', 3, "a blank"),
    ("foo(bar)", 3, "a blank"),
    ("a OR", 4, "a word"),
    ("OR a", 0, "a word"),
    ("a AND OR b", 6, "a word"),
    ("NOT", 3, "a word"),
    ("()", 1, "a word"),
    ("(a", 2, "a closing parenthesis"),
    ("a)", 1, "none is open"),
    ("k:(a", 4, "OR and a value"),
    ("k:(a b)", 5, "OR and a value"),
    ("k:(a OR", 7, "a value"),
    (">5", 0, "a name right before >"),
    (":)", 0, "a name right before :"),
    ("k::foo:x", 1, "::datetime"),
    ("latency_ms::int>5", 10, "an operator"),
    ("meta:x", 4, "a dot and a name"),
    ("meta.:x", 5, "within its limits"),
    ("col.latencyms>5", 4, "latency_ms"),
    ("tag>x", 3, "a colon"),
    ("tag:a*", 4, "a whole tag"),
    ("tag:missing", 4, "a whole tag"),
    ("tag:" + "x" * 600, 4, "within its limits"),
    ("x" * 1001, 0, "within its limits"),
    ("latency_ms:*5", 11, "a number"),
    ("output::json>5", 12, "exists or missing"),
    ("output::json:x", 12, "exists or missing"),
    ("model::json:exists", 5, "within its limits"),
    ("output.:x", 7, "within its limits"),
    ("model!=x*", 7, "without a star"),
    ("model!=(a OR b)", 5, "a colon before several values"),
    ("latency_ms~5", 11, "for text"),
    ("k:\ud800", 2, "valid Unicode"),
    ("(" * 101 + "a", 102, "a closing parenthesis"),
    ("-" * 101 + "a", 0, "at most 100"),
]


@pytest.mark.parametrize(("text", "position", "expected"), _ERRORS, ids=[text[:20] for text, _, _ in _ERRORS])
def test_where_an_error_points(text: str, position: int, expected: str) -> None:
    """An error has the place, says in words what was expected there, and points at it under the text."""
    with pytest.raises(SearchSyntaxError) as caught:
        parse(text)
    error = caught.value
    assert (error.position, error.text) == (position, text)
    assert expected in error.expected
    said, line, mark = str(error).split("\n")
    assert said.startswith("search text: ")
    assert line[2:] in text.replace("\ud800", " ") or "…" in line
    assert mark.strip() == "^"
    if "…" not in line:
        assert mark.index("^") == 2 + position
    assert not any(name in said for name in ("WORD", "VALUE", "RPAR", "$END", "Token"))


def test_the_mark_stands_under_the_place() -> None:
    """Wide, combining and unprintable characters, lines and great lengths do not shift the mark."""
    for text, column in (
        ("日本 e\u0301 latency_ms>x", 20),
        ("a\x1b\nb\tlatency_ms>x", 15),
        ("é " * 500 + "latency_ms>x", 52),
    ):
        with pytest.raises(SearchSyntaxError) as caught:
            parse(text)
        _, line, mark = str(caught.value).split("\n")
        assert line.endswith("x")
        assert mark == " " * column + "^"
        assert "\x1b" not in line
        assert "\t" not in line


def test_an_error_is_ours_and_travels() -> None:
    """It is caught as what it is, and keeps its place through a copy and a pickle."""
    assert issubclass(SearchSyntaxError, errors.PromptLogError)
    assert issubclass(SearchSyntaxError, ValueError)
    with pytest.raises(SearchSyntaxError) as caught:
        parse("a:")
    for other in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert (str(other), other.position, other.expected) == (
            str(caught.value), caught.value.position, caught.value.expected,
        )  # fmt: skip
    with pytest.raises(errors.InvalidInputError, match="search takes a text"):
        parse(None)  # type: ignore[arg-type]


def test_a_client_searches(tmp_path: Path) -> None:
    """`search` is `filter` with what the text means: it can be combined, and says in words what it asks."""
    client = PromptLog(tmp_path / "store.duckdb")
    for number in range(3):
        client.log_request(
            provider="openai", model="gpt-4o", input=f"Bake cake {number}", output=["x", "y", "Z"][number],
            request_start_time=1 + number, request_end_time=2 + 2 * number, metadata={"n": str(number)},
        )  # fmt: skip
    assert client.search("CAKE n>=1").count() == 2
    assert client.search("").count() == 3
    assert client.search("CAKE").search("-z").filter(col.latency_ms > 1500).count() == 1
    found = client.search("cake n>=1").filter(tag("x"))
    assert repr(found) == "<requests of which (cake n>=1) tag:x: .df(), .count(), .first(), or iterate>"
    assert repr(client.requests) == "<requests: .df(), .count(), .first(), or iterate>"
    with pytest.raises(SearchSyntaxError):
        client.search("a:")


def test_a_span_may_reach_beyond_all_times(tmp_path: Path) -> None:
    """A span of any length is a question; so is one that ends in the future."""
    client = PromptLog(tmp_path / "store.duckdb")
    client.log_request(
        provider="p",
        model="m",
        input=None,
        output=None,
        request_start_time=0,
        request_end_time=1,
    )
    for text, count in (
        ("since:" + "9" * 30 + "d", 1),
        ("until:+" + "9" * 30 + "d", 1),
        ("since:+9999999d", 0),
    ):
        assert client.search(text).count() == count, text


def test_every_way_in_writes_json_that_is_found(tmp_path: Path) -> None:
    """Search scans the stored JSON, so letters that JSON may escape are found whoever wrote them."""
    client = PromptLog(tmp_path / "store.duckdb")
    text = r'[{"role": "user", "content": "caf\u00e9 a\/b \u0062c \ud83d\ude00 \u001b \u007f\t\"q\" \\n"}]'
    chat = f'{{"type": "chat",  "messages": {text}}}'
    messages = json.loads(text)
    given: dict[str, Any] = {"provider": "p", "model": "m", "output": None}
    given |= {"request_start_time": 1, "request_end_time": 2}
    client.log_request(**given, input=messages)
    client.log_many([{**given, "input": messages}])
    client.log_many(pd.DataFrame([{**given, "input": text}, {**given, "input": chat}]))
    lines = (json.dumps(given)[:-1] + f', "input": {content}}}\n' for content in (text, chat))
    (tmp_path / "a.jsonl").write_text("".join(lines))
    client.log_many(tmp_path / "a.jsonl")
    quoted = chat.replace('"', '""')
    (tmp_path / "a.csv").write_text(f'{",".join(given)},input\np,m,,1,2,"{quoted}"\n')
    client.log_many(tmp_path / "a.csv")

    whole = messages[0]["content"]
    for part in ("café", "a/b", "bc", "😀", "\x1b", "\x7f", '"q"', "\\n", "\t", whole):
        assert client.requests.filter(col.input_text.contains(part)).count() == 7, part
        assert client.requests.filter(col.input_text.contains(part.upper(), case=False)).count() == 7, part
    for part in ("CAFÉ", "messages", "u001b", "role", "\n"):
        assert client.requests.filter(col.input_text.contains(part)).count() == 0, part


def test_days_that_have_a_name() -> None:
    """Today and yesterday are UTC's days, wherever a time may stand."""
    while True:  # but over midnight
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        yesterday = today - timedelta(days=1)
        texts = (
            "since:yesterday until:today", "start_time:yesterday", "start_time>yesterday", "start_time<=today",
        )  # fmt: skip
        found = [parse(text) for text in texts]
        named = since("yesterday") & until("today")
        if datetime.now(UTC).date() == today.date():
            break
    assert found == [
        named, (col.start_time >= yesterday) & (col.start_time < today), col.start_time >= today,
        col.start_time < today + timedelta(days=1),
    ]  # fmt: skip
    assert named == since(yesterday) & until(today)
