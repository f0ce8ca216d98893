"""`after`: the next page by the last row of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import PromptLog, col, count, errors, meta, score
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.expressions.face import Expression

_MODELS = st.sampled_from(["a", "b", None])
_RANKS = st.sampled_from(["2", "10", "ä", "\U0001f600", "\uffff", "", "1.5", None])
_ROWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), _MODELS, st.sampled_from([None, 1.0, 2.0]), _MODELS, _RANKS
    ),
    min_size=1,
    max_size=25,
)
_RANK = meta("rank")
_SORTS = st.sampled_from(
    [
        None,
        ("start_time",),
        ("latency_ms",),
        ("model",),
        ("cost_usd",),
        ("prompt_name",),
        ("model", "cost_usd"),
        (),
        (_RANK,),
        (_RANK.as_float(),),
        (_RANK.as_int(), "model"),
        ("prompt_name", _RANK, score("default")),
        (score("default"),),
    ]
)


@settings(max_examples=20, deadline=None)
@given(rows=_ROWS, sort=_SORTS, descending=st.booleans(), page=st.integers(1, 7), filtered=st.booleans())
def test_pages_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, str | None, float | None, str | None, str | None]],
    sort: tuple[str | Expression, ...] | None,
    descending: bool,
    page: int,
    filtered: bool,
) -> None:
    """Page after page, whatever ties or is null: each request once, in the order of the whole."""
    client = PromptLog(tmp_path_factory.mktemp("paging") / "a.duckdb")
    for start, took, model, price, prompt, rank in rows:
        client.log_request(
            provider="p", model=model or "m", input="i", output="o", price=price, prompt_name=prompt,
            request_start_time=1_700_000_000 + start, request_end_time=1_700_000_000 + start + took,
            metadata={"even": str(start % 2)} | ({} if rank is None else {"rank": rank}), score=price,
        )  # fmt: skip
    waiting = "018bd12c-58b0-7683-8f1a-00000000000"
    for number in range(10):  # metadata that came before its request is in nobody's order
        client.track.metadata(waiting + str(number), {"rank": "1", "even": "0"})
    asked = client.requests if sort is None else client.requests.sort(*sort, descending=descending)
    if filtered:
        asked = asked.filter(meta("even") == "0")
    whole, found = asked.ids(), []
    last = None
    while some := (asked if last is None else asked.after(last)).limit(page).ids():
        found += some
        last = some[-1]
        rest = asked.after(last)
        assert rest.count() == len(whole) - len(found)
        assert rest.agg(n=count()).dicts() == [{"n": rest.count()}]
    assert found == whole
    if whole:
        assert [row["request_id"] for row in asked.after(whole[0]).limit(3).dicts()] == whole[1:4]
    client.close()


@settings(max_examples=20, deadline=None)
@given(ranks=st.lists(_RANKS, max_size=12), descending=st.booleans(), waiting=st.integers(0, 2))
def test_metadata_sorts_as_python_sorts_it(
    tmp_path_factory: pytest.TempPathFactory, ranks: list[str | None], descending: bool, waiting: int
) -> None:
    """By the value, as text or number; those without one last, ties by id; a limit gives the first of that."""
    client = PromptLog(tmp_path_factory.mktemp("sorting") / "a.duckdb")
    ids = [
        client.log_request(
            provider="p", model="m", input="i", output="o", request_start_time=number, request_end_time=number + 1,
            metadata={} if rank is None else {"rank": rank},
        )["request_id"]
        for number, rank in enumerate(ranks)
    ]  # fmt: skip
    for number in range(waiting):
        client.track.metadata(f"018bd12c-58b0-7683-8f1a-00000000000{number}", {"rank": ""})
    for asked, read in ((_RANK, str), (_RANK.as_float(), _number)):
        valued = [
            (value, one)
            for rank, one in zip(ranks, ids, strict=True)
            if rank is not None and (value := read(rank)) is not None
        ]
        wanted = [one for _, one in sorted(valued, reverse=descending)]
        wanted += sorted(({*ids} - {*wanted}), reverse=descending)  # type: ignore[type-var]
        found = client.requests.sort(asked, descending=descending)
        for limit in range(len(ids) + 1):
            assert found.limit(limit).ids() == wanted[:limit]
            assert [row["request_id"] for row in found.limit(limit).dicts()] == wanted[:limit]
    client.close()


def _number(text: str) -> float | None:
    return float(text) if text[:1].isdecimal() else None


def test_the_page_after_nothing_is_an_error(tmp_path: Path) -> None:
    """A request that is not there has no place in the order."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.log_request(
        provider="p", model="m", input="i", output="o", request_start_time=1, request_end_time=2
    )
    gone = "018bd12c-58b0-7683-8f1a-000000000000"
    with pytest.raises(errors.RequestNotFoundError, match=gone):
        client.requests.after(gone).ids()
    with pytest.raises(errors.InvalidRequestIdError):
        client.requests.sort(col.model).after("nothing")


def test_a_page_is_as_long_as_what_it_holds_allows(tmp_path: Path) -> None:
    """Whole requests, as many as fit; one that is larger than all may be stands alone, and the rest is told to follow."""
    client = PromptLog(tmp_path / "a.duckdb")
    sizes = [10, 10, 5000, 10, 10, 10]
    ids = [
        client.log_request(
            **request(input="x" * size, request_start_time=START + n, request_end_time=START + n + 1, metadata={"n": str(n)}, tags=["t"])
        )["id"]
        for n, size in enumerate(sizes)
    ]  # fmt: skip
    asked = client.requests.sort("start_time")
    pages, last = [], None
    while True:
        found, more = (asked.after(last) if last else asked).page(3, most_bytes=2000)
        pages.append([one.request_id for one in found])
        assert all(one == client.requests.get(one.request_id) for one in found)
        if not more:
            break
        last = pages[-1][-1]
    assert pages == [ids[:2], ids[2:3], ids[3:]]
    assert asked.limit(2).page(2) == ([client.requests.get(str(one)) for one in ids[:2]], False)
    assert asked.filter(meta("n") == "none").page(3) == ([], False)
    for wrong in (0, 501, True, "3"):
        with pytest.raises(errors.InvalidInputError, match="from 1 to 500"):
            asked.page(wrong)  # type: ignore[arg-type]
