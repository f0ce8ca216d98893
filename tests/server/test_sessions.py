"""A session read as a conversation: where its pages begin and end, what they lead to, how large they are."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog, meta
from promptlog.server.app import make_app
from promptlog.server.pages.session import PAGE
from tests.samples import request
from tests.server.test_links import _NAMES, heading, links, says

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NOON = 1_770_000_000.0  # 2026-02-02 02:40
_TURNS = 3 * PAGE + 7


def browser_of(client: PromptLog) -> TestClient:
    """Return what asks a server of this store."""
    return TestClient(make_app(client), base_url="http://localhost")


def shown(page: str) -> list[str]:
    """Return the ids of the turns of a page."""
    return re.findall(r'<article class="turn" id="r-([^"]+)"', page)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, list[str]]]:
    """A server of one long session among others, and the ids of its requests in order of time."""
    client = PromptLog(tmp_path_factory.mktemp("sessions") / "a.duckdb")
    ids = []
    for number in range(_TURNS):
        start = _NOON + number * 3600
        more: Any = {
            "request_start_time": start,
            "request_end_time": start + 1,
            "price": 0.5,
            "input_tokens": 7,
        }
        more |= {"status": "ERROR", "error_message": "no " * 1000} if number % 10 == 0 else {}
        mine = {"session_id": "s", "user_id": f"u{number // 40}"}
        ids.append(str(client.log_request(**request(**more, metadata=mine))["id"]))
        client.log_request(**request(**more, metadata={"session_id": "other", "user_id": "u0"}))
    client.compact(progress=False)
    yield browser_of(client), ids
    client.close()


def test_pages_of_turns_are_the_whole(long: tuple[TestClient, list[str]]) -> None:
    """On and on from the beginning, and back from the end: each turn once, in order of time, each day once."""
    browser, ids = long
    page = browser.get("/sessions/one?key=session_id&value=s").text
    found, days = shown(page), re.findall('class="day"><time datetime="([^"]+)', page)
    while 'hx-trigger="intersect' in page:
        (address,) = links(page.partition('class="next"')[2], "/sessions/one/turns?")
        page = browser.get(address).text
        found += shown(page)
        days += re.findall('class="day"><time datetime="([^"]+)', page)
    assert found == ids
    assert days == ["2026-02-02", "2026-02-03", "2026-02-04"]
    (address,) = links(page.partition('class="next"')[2], "/sessions/one/turns?")
    assert shown(browser.get(address).text) == []  # nothing came later
    page = browser.get("/sessions/one?key=session_id&value=s&end=").text
    back = shown(page)
    while earlier := [one for one in links(page, "/sessions/one?") if "before=" in one]:
        page = browser.get(earlier[0]).text
        back = [*shown(page), *back]
    assert back == ids


def test_a_page_begins_where_it_is_asked_to(long: tuple[TestClient, list[str]]) -> None:
    """From a request's page one comes to its turn, with what led to it before it; after the last there is nothing."""
    browser, ids = long
    for place in (0, 3, 30, _TURNS - 1):
        near = browser.get(f"/requests/{ids[place]}/near").text
        read = next(one for one in links(near, "/sessions/one?") if "session_id" in one)
        assert read.endswith(f"#r-{ids[place]}")
        first = max(place - 5, 0)
        assert shown(browser.get(read).text) == ids[first : first + PAGE]
    asked = {"key": "session_id", "value": "s", "after": ids[-1]}
    assert says(browser.get("/sessions/one", params=asked).text, "Nothing comes after that.")


def test_the_head_tells_of_all_and_leads_to_the_same(long: tuple[TestClient, list[str]]) -> None:
    """Totals are those of the session, or of the day that is chosen; list, charts and Python ask for the same."""
    browser, ids = long
    page = browser.get("/sessions/one?key=session_id&value=s").text
    figures = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.partition("figures")[2].partition("</dl>")[0]))
    assert figures.split("requests ")[1].startswith(
        f"{_TURNS} 7 failed from, UTC 2026-02-02 02:40:00 to 2026-02-04 20:40:01"
    )
    assert f"{7 * _TURNS} in" in figures
    assert f"${0.5 * _TURNS:.2f}" in figures
    (of_list,) = links(page, "/?q=")
    assert browser.get("/requests/count", params=parse_qs(urlsplit(of_list).query)).json() == _TURNS
    assert parse_qs(urlsplit(links(page, "/analytics?")[0]).query) == {"q": ["session_id:s"]}
    assert "client.search(&#39;session_id:s&#39;).sort(&#39;start_time&#39;)" in page
    days = links(page.partition("of-days")[2].partition("</nav>")[0], "/sessions/one?")
    assert len(days) == 3
    counts = []
    for day in days:
        chosen = browser.get(day).text
        counts.append(int(re.findall(r"<dt>requests</dt><dd>(\d+)", chosen)[0]))
        assert len(re.findall(r'aria-current="true" title="\w+day, \d', chosen)) == 1
    assert counts == [21, 24, 22]
    failed = next(one for one in links(page, "/sessions/one?") if "ERROR" in one)
    assert shown(browser.get(failed).text) == ids[::10]
    user = browser.get("/sessions/one?key=user_id&value=u0").text
    assert re.findall(r"<dt>requests</dt><dd>(\d+)", user) == [str(_TURNS + 40)]
    assert links(user, "/sessions?") == ["/sessions?q=user_id%3Au0"]


def test_a_search_stays_within_the_session(long: tuple[TestClient, list[str]]) -> None:
    """The form keeps the session, and so does that of the days; what cannot be read is marked."""
    browser, ids = long
    asked = {"key": "session_id", "value": "s"}
    page = browser.get("/sessions/one", params={**asked, "q": "status:error"}).text
    assert shown(page) == ids[::10]
    for name, value in asked.items():
        assert page.count(f'<input type="hidden" name="{name}" value="{value}">') == 2
    led = browser.get(
        "/between", params={**asked, "at": "/sessions/one", "from": "2026-02-03", "to": "2026-02-03"}
    )
    assert shown(led.text)[0] == ids[22]
    assert "Expected" in browser.get("/sessions/one", params={**asked, "q": "a:("}).text
    assert (
        "No request of it matches" in browser.get("/sessions/one", params={**asked, "q": "model:none"}).text
    )


def test_the_lists_lead_to_conversations(tmp_path: Path) -> None:
    """Of sessions, users and any metadata, whatever its keys and values are called; a user's day stays chosen."""
    client = PromptLog(tmp_path / "a.duckdb")
    for name in _NAMES:
        client.log_request(**request(metadata={"session_id": f"of {name}", name: f"of {name}"}))
    client.log_request(**request(metadata={"conversation_id": "", "user_id": ""}))
    browser = browser_of(client)
    rows = browser.get("/sessions/rows").text
    read = [one for one in links(rows, "/sessions/one?") if "user_id" not in one]
    assert {says(browser.get(one).text, "(empty)") for one in read if one.endswith("value=")} == {True}
    assert {heading(browser.get(one).text).split("</small> ")[1] for one in read} == {
        *(f"of {name}" for name in _NAMES),
        "(empty)",
    }
    for name in _NAMES:
        values = browser.get("/keys/values", params={"key": name}).text
        (address,) = links(values, "/sessions/one?")
        page = browser.get(address).text
        assert says(page, f"of {name}")
        (found,) = client.requests.filter(meta(name) == f"of {name}")
        assert shown(page) == [found.request_id]
    of_users = browser.get(
        "/sessions/rows", params={"key": "user_id", "q": "since:2026-01-01 model:gpt-4o"}
    ).text
    (user,) = links(of_users, "/sessions/one?")
    assert parse_qs(urlsplit(user).query, keep_blank_values=True) == {
        "q": ["since:2026-01-01T00:00:00Z"],
        "key": ["user_id"],
        "value": [""],
    }
    assert len(shown(browser.get(user).text)) == 1


def test_what_is_folded_unfolds(tmp_path: Path) -> None:
    """The messages that a turn does not show are those that it is asked for, and no others."""
    client = PromptLog(tmp_path / "a.duckdb")
    history: list[dict[str, Any]] = [{"role": "system", "content": "old rules"}]
    for number in range(3):
        history = [*history, {"role": "user", "content": f"question {number}"}]
        if number == 2:
            history[0] = {"role": "system", "content": "new rules"}
        start = _NOON + number
        client.log_request(
            **request(input=history, output=f"answer {number}", metadata={"session_id": "s"}, request_start_time=start, request_end_time=start + 0.1)
        )  # fmt: skip
        history = [*history, {"role": "assistant", "content": f"answer {number}"}]
    page = browser_of(client).get("/sessions/one?value=s").text
    assert re.findall(r"(\d+) earlier message", page) == ["3", "4"]
    last = page.split("<article")[3]
    assert "new rules" in last
    assert "question 2" in last
    before = browser_of(client).get(links(page, "/sessions/one/before/")[1]).text
    assert re.findall(r'class="prose" dir="auto">([^<]+)<', before) == [
        "question 0",
        "answer 0",
        "question 1",
        "answer 1",
    ]


def test_long_texts_and_many_large_requests_make_a_small_page(tmp_path: Path) -> None:
    """Of a megabyte a beginning stands in the page, which says how much more there is and where."""
    client = PromptLog(tmp_path / "a.duckdb")
    for number in range(12):
        start = _NOON + number
        values = json.dumps([{"n": number} for number in range(30_000)])
        client.log_request(
            **request(
                input="word " * 200_000, output=values, error_message="no " * 400_000, metadata={"session_id": "s", "user_id": "u" * 5000},
                tags=[f"tag {n} {'t' * 400}" for n in range(50)], model="m" * 5000, request_start_time=start, request_end_time=start + 0.1,
            )
        )  # fmt: skip
    browser = browser_of(client)
    page = browser.get("/sessions/one?value=s")
    assert len(page.content) < 300_000
    assert shown(page.text)
    assert says(page.text, "998,000 more characters")
    assert says(page.text, "1,199,000 more characters")
    assert f'href="/requests/{shown(page.text)[0]}/copy/input">the whole as text' in page.text
    (address,) = links(page.text.partition('class="next"')[2], "/sessions/one/turns?")
    assert shown(browser.get(address).text)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("?key=session_id", 400), ("?value=" + "v" * 10_001, 400), ("?key=" + "k" * 2000 + "&value=v", 400), ("?value=none", 200), ("?key=none&value=", 200), ("?key=none&value=v&q=a:(", 200),
        ("?value=s&after=x", 400), ("?value=s&before=", 400), ("?value=s&at=018bd12c-58b0-7683-8f1a-000000000000", 404), ("?value=s&end=x", 200), ("/turns?value=s", 200), ("/turns", 400),
        ("/before/018bd12c-58b0-7683-8f1a-000000000000", 404), ("/before/x", 400), ("?value=s&q=since:0001-01-01", 200),
    ],
)  # fmt: skip
def test_odd_addresses_of_conversations(
    long: tuple[TestClient, list[str]], address: str, status: int
) -> None:
    """What is not there is said to be so; nothing is an error of the server."""
    browser, _ = long
    found = browser.get(f"/sessions/one{address}")
    assert found.status_code == status, unescape(found.text)


def test_days_at_the_end_of_time(tmp_path: Path) -> None:
    """Requests of the first and the last day that there are make a page like others."""
    client = PromptLog(tmp_path / "a.duckdb")
    for when in ("1970-01-01T00:00:00Z", "9999-12-31T12:00:00Z"):
        client.log_request(
            **request(request_start_time=when, request_end_time=when, metadata={"session_id": "s"})
        )
    page = browser_of(client).get("/sessions/one?value=s")
    assert (page.status_code, len(shown(page.text))) == (200, 2)
    assert "Friday, 31 December 9999" in page.text
