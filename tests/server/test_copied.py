"""What is copied as Python runs by itself and does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import QueryParams

from promptlog import PromptLog
from promptlog.server.house import House
from promptlog.server.pages import analytics, prompt_use, python
from promptlog.server.pages.charts import By
from promptlog.server.pages.view import View
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.models.request import Request


def ran(text: str) -> dict[str, Any]:
    """Run what was copied, alone as in a new notebook; return its names."""
    names: dict[str, Any] = {}
    exec(compile(text, "copied", "exec"), names)
    return names


def test_a_request_is_logged_anew(tmp_path: Path) -> None:
    """All that a request has is there again, but its id and when it was logged."""
    client = PromptLog(tmp_path / 'it\'s a "store".duckdb')
    first = client.log_request(
        **request(
            input=[{"role": "user", "content": "a\n'b' \"c\" " * 20}], parameters={"temperature": 0.5, "stop": None}, status="WARNING",
            tags=["a", "b"], metadata={"k": "v\nw"}, price=0.25, input_tokens=10, output_tokens=5, cached_tokens=3,
            cache_write_tokens=2, reasoning_tokens=1, finish_reason="stop", api_type="chat", function_name="f", error_type="E",
            error_message="m", group_id=7, trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7",
            score=50, score_name="own", replayed_from="018bd12c-58b0-7683-8f1a-000000000000",
        )
    )["id"]  # fmt: skip
    assert first
    client.track.score(first, 100)
    client.track.prompt(first, "greeting", {"name": "x"}, 3, "prod")
    ran(python.logging(str(client.path), client.requests.get(first)))
    one, other = (_told(found) for found in client.requests)
    assert one == other
    assert one["scores"] == {"default": 100.0, "own": 50.0}
    assert [name for name, value in one.items() if value is None] == ["prompt_id"]  # tracking replaced it


def _told(found: Request) -> dict[str, Any]:
    return found.model_dump(exclude={"request_id", "logged_at"})


@pytest.mark.parametrize("by", ["", "model", "tag", "meta.model", "meta.it's"])
def test_charts_are_drawn_anew(by: str, tmp_path: Path) -> None:
    """The Python of each chart runs by itself, whatever it is grouped by."""
    pytest.importorskip("altair")
    client = PromptLog(tmp_path / "a.duckdb")
    for number in range(4):
        client.log_request(
            **request(metadata={"model": f"m{number}", "it's": "x"}, tags=["t"], input_tokens=1, price=1)
        )
    for q in ("", 'model:"m1" OR it\'s:x'):
        charts = analytics.load(House(client), View(q), By.of(by))["charts"]
        assert len(charts) == 5
        for chart in charts:
            assert ran(chart.python)["client"].path == client.path


def test_a_search_is_done_anew(tmp_path: Path) -> None:
    """In the order of the list, by a column, a metadata key or the score."""
    client = PromptLog(tmp_path / "a.duckdb")
    ids = [
        client.log_request(**request(metadata={"n": str(number)}, score=number))["id"]
        for number in (2, 10, 1)
    ]
    for sort in ("meta.n::float", "scores"):
        found = ran(python.searching(str(client.path), View("n:exists", sort)))["found"]
        assert found.ids() == [ids[2], ids[0], ids[1]]
    assert (
        ran(python.finding(str(client.path), client.requests.get(str(ids[0]))))["request"].request_id
        == ids[0]
    )


@pytest.mark.parametrize("name", ["cake", 'it\'s a "cake"\\'])
def test_how_a_prompt_does(name: str, tmp_path: Path) -> None:
    """Each version's figures are those of its requests, and the Python that is copied finds the same."""
    client = PromptLog(tmp_path / "a.duckdb")
    for version, seconds, quality in ((1, 1, None), (1, 3, 50), (2, 2, 80), (2, 2, 90), (None, 4, None)):
        given = request(
            prompt_name=name, prompt_version_number=version, price=seconds / 10, request_end_time=START + seconds,
            status="ERROR" if seconds == 3 else "SUCCESS",
        )  # fmt: skip
        logged = client.log_request(**given)["id"]
        assert logged
        if quality is not None:
            client.track.score(logged, quality, 'it\'s "good"')
    client.log_request(**request(prompt_name="another", prompt_version_number=1))
    client.log_request(**request())
    assert {one: requests for one, (requests, _) in prompt_use.of_all(client).items()} == {
        name: 5,
        "another": 1,
    }
    told = prompt_use.of_versions(client, name)
    assert told["scores"] == ['it\'s "good"']
    measured = [
        (row["version"], row["requests"], row["errors"], row["p50"], row["scores"]) for row in told["rows"]
    ]
    assert sorted(measured, key=str) == [
        (1, 2, 1, 2000, [50]), (2, 2, 0, 2000, [85]), (None, 1, 0, 4000, [None]),
    ]  # fmt: skip
    for row in told["rows"]:
        view = View.of(QueryParams(row["those"].partition("?")[2]))
        assert client.search(view.q).count() == row["requests"]
    same = ran(told["python"])["rows"]
    for row in told["rows"]:
        known = {column: value for column, value in row.items() if column not in ("those", "scores")}
        assert known in same
