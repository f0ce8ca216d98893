"""The catalogue of metadata: keys, their types, and values to suggest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import PromptLog, errors, meta, since, tag
from promptlog.identifiers import new_request_id
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

_ODD = (
    "'",
    '"',
    "a b",
    "%",
    "\x00",
    "\U0010ffff",
    "ä",
    "null",
    "key",
    "value",
    "; drop table metadata",
    "<b>",
    "k" * 1024,
)


def _log(client: PromptLog, *metadata: dict[str, str], **changes: Any) -> list[str]:
    ids = []
    for number, one in enumerate(metadata):
        start = START + number
        arguments = request(metadata=one, request_start_time=start, request_end_time=start + 1, **changes)
        ids.append(str(client.log_request(**arguments)["request_id"]))
    return ids


def test_keys(client: PromptLog) -> None:
    """Each key with its requests, distinct values, times and most frequent values; the most used first."""
    _log(client, {"user_id": "u1", "plan": "pro"}, {"user_id": "u2"}, {"user_id": "u2"}, {})
    users, plans = client.metadata.keys().dicts()
    assert users == {
        "key": "user_id",
        "requests": 3,
        "distinct_values": 2,
        "type": "text",
        "first_seen": datetime.fromtimestamp(START, UTC),
        "last_seen": datetime.fromtimestamp(START + 2, UTC),
        "samples": ["u2", "u1"],
    }
    assert (plans["key"], plans["requests"], plans["last_seen"]) == ("plan", 1, plans["first_seen"])


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "-2", "007"], "int"),
        (["1", "2.5", "1e3"], "float"),
        (["1.0"], "float"),
        (["2026-01-31", "2026-01-31T12:00:00Z"], "datetime"),
        (["true", "False"], "bool"),
        (['{"a": 1}', "[1]"], "json"),
        (["{not json"], "text"),
        (["1", "2026-01-31"], "text"),
        (["true", "1"], "text"),
        (["1", ""], "int"),
        ([""], "text"),
        (["9223372036854775808"], "float"),
        (["nan"], "text"),
        (["-"], "text"),
        ([" 1"], "text"),
        (["ä"], "text"),
    ],
)
def test_a_type_is_what_all_values_can_be_read_as(client: PromptLog, values: list[str], type: str) -> None:
    """A guess that as_int and its like would bear out; an empty value says nothing."""
    _log(client, *({"k": value} for value in values))
    (key,) = client.metadata.keys().dicts()
    assert key["type"] == type
    if type in {"int", "float", "datetime"}:
        read = getattr(meta("k"), f"as_{type}")()
        assert client.requests.filter(read.exists()).count() == sum(value != "" for value in values)


def test_a_long_sample_is_cut(client: PromptLog) -> None:
    """A catalogue stays readable whatever was stored; the value itself is whole."""
    _log(client, {"k": "x" * 100})
    assert client.metadata.keys().dicts()[0]["samples"] == ["x" * 59 + "…"]
    assert client.metadata.values("k").dicts()[0]["value"] == "x" * 100


def test_keys_within_a_filter(client: PromptLog) -> None:
    """What the requests of a filter carry, and no other's."""
    _log(client, {"a": "1"}, {"b": "1"}, tags=["x"])
    _log(client, {"a": "2", "c": "1"})
    found = {row["key"]: (row["requests"], row["samples"]) for row in client.metadata.keys(tag("x")).dicts()}
    assert found == {"a": (1, ["1"]), "b": (1, ["1"])}
    assert client.metadata.keys(since("1h")).dicts() == []


_CARRIED = st.dictionaries(
    st.sampled_from("abc"), st.sampled_from(["", "x", "y", "1", "2", "2.5", "true", "ä"])
)


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from((0, 1, 40, 500, 999, 1000)), _CARRIED), max_size=12))
def test_keys_of_all_are_those_of_a_filter_that_keeps_all(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, dict[str, str]]]
) -> None:
    """Counted where they are written or request by request, whenever a key was used first and last."""
    client = PromptLog(tmp_path_factory.mktemp("keys") / "a.duckdb")
    for at, metadata in rows:
        start = START + at
        client.log_request(**request(metadata=metadata, request_start_time=start, request_end_time=start + 1))
    assert client.metadata.keys().dicts() == client.metadata.keys(since(0.0)).dicts()
    client.close()


def test_metadata_that_waits(client: PromptLog) -> None:
    """What came before its request is counted; a key that no request carries is not listed."""
    _log(client, {"plan": "pro"})
    client.track.metadata(new_request_id(0), {"plan": "free", "other": "x"})
    (key,) = client.metadata.keys().dicts()
    assert (key["key"], key["requests"], key["samples"]) == ("plan", 2, ["free", "pro"])
    assert client.metadata.keys(meta("plan").exists()).dicts()[0]["requests"] == 1


def test_odd_keys_and_values(client: PromptLog) -> None:
    """Any text is a key and a value."""
    _log(client, {key: key for key in _ODD})
    assert {row["key"] for row in client.metadata.keys().dicts()} == set(_ODD)
    for key in _ODD:
        assert client.metadata.values(key, prefix=key[:1], last_seen=True).fetchall() == [
            (key, 1, datetime.fromtimestamp(START, UTC))
        ]


def test_values(client: PromptLog) -> None:
    """The most frequent first, ties by text; prefix, limit and filters narrow them."""
    _log(client, *({"city": city} for city in ("Rome", "Riga", "Rome", "Oslo", "rome")))
    _log(client, {"city": "Riga"}, {"town": "Rome"}, tags=["x"])
    assert client.metadata.values("city").fetchall() == [("Riga", 2), ("Rome", 2), ("Oslo", 1), ("rome", 1)]
    assert client.metadata.values("city", prefix="R").fetchall() == [("Riga", 2), ("Rome", 2)]
    assert client.metadata.values("city", prefix="Ro", limit=1).fetchall() == [("Rome", 2)]
    assert client.metadata.values("city", tag("x")).fetchall() == [("Riga", 1)]
    assert client.metadata.values("city", limit=0).fetchall() == []
    assert client.metadata.values("nobody").fetchall() == []
    late = client.metadata.values("city", ~tag("x"), prefix="Ri", last_seen=True).fetchall()
    assert late == [("Riga", 1, datetime.fromtimestamp(START + 1, UTC))]
    frame = client.metadata.values("city", last_seen=True).df()
    assert str(frame["last_seen"].dt.tz) == "UTC"


def test_a_value_that_was_replaced_is_gone(client: PromptLog) -> None:
    """The catalogue shows what is there now."""
    (id,) = _log(client, {"plan": "free"})
    assert client.metadata.values("plan").fetchall() == [("free", 1)]
    client.track.metadata(id, {"plan": "pro"})
    assert client.metadata.values("plan").fetchall() == [("pro", 1)]
    client.untrack.metadata(id, ["plan"])
    assert client.metadata.values("plan").fetchall() == []
    assert client.metadata.keys().dicts() == []


def test_what_is_wrong_is_refused_at_once(client: PromptLog) -> None:
    """Before anything is asked."""
    for wrong in (3, "", "\ud800"):
        with pytest.raises(errors.InvalidInputError):
            client.metadata.values(wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInputError, match="Unicode"):
        client.metadata.values("k", prefix="\ud800")
    with pytest.raises(errors.InvalidInputError, match="limit"):
        client.metadata.values("k", limit=-1)
    with pytest.raises(errors.InvalidInputError, match="conditions"):
        client.metadata.keys("k")  # type: ignore[arg-type]


def test_prefixes_in_the_store(client: PromptLog) -> None:
    """Letter for letter, whatever letters they are."""
    values = [
        "",
        "a",
        "a\x00",
        "ab",
        "a\ud7ff",
        "a\ue000",
        "a\uffff",
        "a\U0010ffff",
        "a\U0010ffffz",
        "b",
        "\U0010ffff",
    ]
    _log(client, *({"k": value} for value in values))
    for prefix in values:
        found = {value for value, _ in client.metadata.values("k", prefix=prefix).fetchall()}
        assert found == {value for value in values if value.startswith(prefix)}


@pytest.mark.slow
def test_a_key_with_a_million_values(tmp_path: Path) -> None:
    """Where every request has a value of its own the catalogue answers too."""
    import pyarrow as pa

    count = 1_000_000
    times = pa.array(range(int(START), int(START) + count))
    table = pa.table(
        {
            "provider": pa.array(["p"] * count),
            "model": pa.array(["m"] * count),
            "input": pa.array(["i"] * count),
            "output": pa.array(["o"] * count),
            "request_start_time": times,
            "request_end_time": times,
            "metadata.post_id": pa.array([f"post_{number}" for number in range(count)]),
        }
    )
    with PromptLog(tmp_path / "many.duckdb") as client:
        client.log_many(table)
        (key,) = client.metadata.keys().dicts()
        assert (key["requests"], key["distinct_values"], key["type"]) == (count, count, "text")
        assert key["samples"] == [f"post_{number}" for number in (0, 1, 10, 100, 1000)]
        assert client.metadata.values("post_id", prefix="post_12345", limit=None).df()["value"].size == 11
        assert client.analytics(cost_by="post_id", top=3).cost_by_metadata.column("value") == [
            "post_0",
            "post_1",
            "post_10",
        ]
        assert len(client.sessions(by="post_id", limit=5).dicts()) == 5
