"""Changes of many requests are undone exactly: what was so before, and what was changed since, stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> PromptLog:
    return PromptLog(tmp_path / "a.duckdb")


@pytest.fixture
def ids(client: PromptLog) -> list[str]:
    """Four requests: the first two with a tag, the last two with a value."""
    return [
        str(client.log_request(**request(tags=["old"] if n < 2 else [], metadata={"plan": f"p{n}"} if n > 1 else {}))["id"])
        for n in range(4)
    ]  # fmt: skip


class Page:
    """The list of requests, as a browser has it."""

    def __init__(self, client: PromptLog) -> None:
        app: Any = make_app(client)
        self._browser = TestClient(app, base_url="http://localhost")
        self._headers = {"x-csrf-token": app._app.state.house.csrf_token, "hx-request": "true"}

    def send(self, address: str, **form: Any) -> Any:
        """Send a form of the page."""
        return self._browser.post(address, data=form, headers=self._headers)

    def change(self, ids: list[str], q: str = "", **form: str) -> str:
        """Change requests, and return the name under which that can be undone; "" where it cannot."""
        done = self.send(f"/requests/bulk?q={q}", id=ids, **form)
        assert done.status_code == 200, done.text
        return "".join(re.findall('name="change" value="([^"]+)"', done.text))

    def undo(self, change: str) -> str:
        """Undo a change, and return what is said."""
        return str(re.findall("<span>(.*?)</span>", self.send("/requests/undo", change=change).text)[0])


def state(client: PromptLog, ids: list[str]) -> list[tuple[list[str], dict[str, str]]]:
    return [(one.tags, one.metadata) for one in map(client.requests.get, ids)]


@pytest.mark.parametrize("every", ["", "1"])
@pytest.mark.parametrize(
    ("form", "changed"),
    [
        ({"do": "tag", "tag": "old"}, 2),
        ({"do": "untag", "tag": "old"}, 2),
        ({"do": "metadata", "key": "plan", "value": "p3"}, 3),
        ({"do": "metadata", "key": "model", "value": ""}, 4),
        ({"do": "tag", "tag": "new"}, 4),
    ],
)
def test_all_is_as_before(
    client: PromptLog, ids: list[str], form: dict[str, str], changed: int, every: str
) -> None:
    """Of those that are selected, or all that match: old values come back, what was added goes, the rest stays."""
    before, page = state(client, ids), Page(client)
    change = page.change(ids, all=every, **form)
    assert state(client, ids) != before
    assert page.undo(change) == f"Undone on {changed} requests"
    assert state(client, ids) == before
    again = page.send("/requests/undo", change=change)  # once
    assert (again.status_code, "no longer" in again.text) == (400, True)
    assert state(client, ids) == before


def test_what_was_changed_since_stays(client: PromptLog, ids: list[str]) -> None:
    """By whom ever, a moment ago too."""
    page, other = Page(client), PromptLog(client.path)
    plan = page.change(ids, do="metadata", key="plan", value="all")
    tagged = page.change(ids, do="tag", tag="seen")
    other.track.metadata(ids[0], {"plan": "his"})
    other.untrack.metadata(ids[3], "plan")
    other.untrack.tags(ids[1], "seen")
    assert page.undo(plan) == "Undone on 2 requests; 2 changed since stay as they are"
    assert page.undo(tagged) == "Undone on 3 requests; 1 changed since stay as they are"
    found = state(client, ids)
    assert [metadata for _, metadata in found] == [{"plan": "his"}, {}, {"plan": "p2"}, {}]
    assert [tags for tags, _ in found] == [["old"], ["old"], [], []]


def test_what_was_set_a_moment_before_comes_back(client: PromptLog, ids: list[str]) -> None:
    """Pages lag a little behind other processes; what a change replaces is read without that."""
    page = Page(client)
    page.change(ids, do="tag", tag="first")
    PromptLog(client.path).track.metadata(ids[0], {"plan": "late"})
    page.undo(page.change(ids, do="metadata", key="plan", value="all"))
    assert [metadata.get("plan") for _, metadata in state(client, ids)] == ["late", None, "p2", "p3"]


def test_what_cannot_be_undone_offers_no_undo(
    client: PromptLog, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores, what changed nothing, what is too many or too long; and the oldest of several changes is forgotten."""
    page = Page(client)
    assert page.change(ids, do="score", score="5") == ""
    assert page.change(ids[:2], do="tag", tag="old") == ""
    changes = [page.change(ids, do="tag", tag=f"t{n}") for n in range(5)]
    assert "no longer" in page.send("/requests/undo", change=changes[0]).text
    assert page.undo(changes[1]) == "Undone on 4 requests"
    monkeypatch.setattr("promptlog.server.undoing._MOST_CHARS", 3)
    assert page.change(ids, do="metadata", key="plan", value="x") == ""
    monkeypatch.setattr("promptlog.server.undoing.MOST", 3)
    for every in ("", "1"):
        assert page.change(ids, do="tag", tag=f"many{every}", all=every) == ""
        assert client.search(f"tag:many{every}").count() == 4  # done all the same
