"""Finding what one looks for: traces, days, keys that are misspelt, tools, the list that a request stands in."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.identifiers import span_request_id
from promptlog.server.app import make_app
from promptlog.server.pages import filters
from promptlog.server.pages.view import View
from tests.query.test_traces import TRACE, call, put, span, span_id
from tests.samples import request
from tests.server.browser import chromium, looking
from tests.server.support import serving
from tests.server.test_links import links, says

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> PromptLog:
    return PromptLog(tmp_path / "a.duckdb")


@pytest.fixture
def browser(client: PromptLog) -> TestClient:
    return TestClient(make_app(client), base_url="http://localhost")


def test_a_trace_without_a_request_is_found(client: PromptLog, browser: TestClient) -> None:
    """From the list of traces to what a span of it holds; text that is JSON is read; what is not there is said to be missing."""
    held = {"function_input": '{"city": "Oslo"}', "half": "{"}
    put(client, span(1, attributes=held, events=[{"name": "e", "time": 1_767_225_600_000_000}]), span(2, 1))
    (address,) = links(browser.get("/traces").text, "/traces/")
    spans = links(browser.get(address).text, "/traces/")
    assert spans[0].endswith(f"/spans/{span_id(1)}")
    shown = browser.get(spans[0]).text
    assert says(shown, '<span class="v">{"city": "Oslo"}</span>')
    assert "2026-01-01T00:00:00Z" in shown
    assert "<html" not in browser.get(spans[0], headers={"HX-Request": "true"}).text
    for missing in (f"/traces/{'9' * 32}", f"{address}/spans/{span_id(7)}", "/nowhere"):
        answer = browser.get(missing)
        assert answer.status_code == 404
        assert missing.rsplit("/", 1)[-1] in unescape(answer.text)


def test_traces_go_on(client: PromptLog, browser: TestClient) -> None:
    """Each page of the list has the next ones, and no trace twice."""
    for number in range(120):
        record = span(1)
        record["span"] |= {
            "trace_id": f"{number + 1:032x}",
            "start_time": number * 1000,
            "end_time": number * 1000,
        }
        client._append(record)
    address, seen = "/traces", []
    while address:
        page = browser.get(address).text
        seen += links(page, "/traces/")
        address = next(iter(links(page, "/traces?before=")), "")
    assert seen == [f"/traces/{number:032x}" for number in range(120, 0, -1)]


def _traces(client: PromptLog, count: int) -> None:
    """Write traces of one call each, a second apart; the third of every three failed, and each lasts longer."""
    for number in range(count):
        record = call(1, metadata={"user_id": f"u{number % 2}"}, name="POST /a b" if number % 4 else "agent")
        told: dict[str, Any] = {
            "trace_id": f"{number + 1:032x}",
            "start_time": number * 1_000_000,
            "end_time": number * 1_010_000,
            "status": "ERROR" if number % 3 == 2 else "OK",
        }
        record["span"] |= told
        record |= told | {
            "request_id": span_request_id(told["trace_id"], span_id(1), told["start_time"]),
            "status": "ERROR" if number % 3 == 2 else "SUCCESS",
            "cost_usd": number / 100,
        }
        client._append(record)


def _shown(text: str) -> list[int]:
    """Return the numbers of the traces that a page lists."""
    return [int(address.removeprefix("/traces/"), 16) - 1 for address in links(text, "/traces/")]


def test_traces_are_found_by_what_they_hold(client: PromptLog, browser: TestClient) -> None:
    """The address has search, name, errors, time, cost and order; what is no number or column is not there."""
    _traces(client, 30)
    everything = [*range(29, -1, -1)]
    for address, wanted in (
        ("q=user_id:u1", everything[::2]),
        ("q=user_id:u1+since:1970-01-01T00:00:20Z", [29, 27, 25, 23, 21]),
        ("errors=yes", [29, 26, 23, 20, 17, 14, 11, 8, 5, 2]),
        ("errors=no&q=user_id:u1", [27, 25, 21, 19, 15, 13, 9, 7, 3, 1]),
        ("name=agent", [28, 24, 20, 16, 12, 8, 4, 0]),
        ("name=POST*&longer=0.27", [29, 27]),
        ("dearer=0.28", [29, 28]),
        ("by_column=cost_usd", [*reversed(everything)]),
        ("by_column=-latency_ms&errors=yes", [29, 26, 23, 20, 17, 14, 11, 8, 5, 2]),
        ("errors=perhaps&longer=x&dearer=nan&by_column=turns", everything),
        ("longer=-1&dearer=inf", everything),
    ):
        assert _shown(browser.get(f"/traces?{address}").text) == wanted, address
    text = browser.get("/traces?q=usr_id:u1&errors=yes").text
    assert links(text, "/traces?q=user_id") == ["/traces?q=user_id%3Au1&errors=yes"]  # what was meant
    assert "Expected" in browser.get("/traces?q=a:(").text
    assert "No trace matches" in browser.get("/traces?name=nothing").text


def test_what_traces_are_asked_for_stays(client: PromptLog, browser: TestClient) -> None:
    """The next page, another order, another time and a form keep all that is asked beside them."""
    _traces(client, 200)
    address, seen, pages = "/traces?q=user_id:u1&errors=no&name=POST*&longer=0.1&by_column=-start_time", [], 0
    while address:
        text = browser.get(address).text
        seen += _shown(text)
        address = next((one for one in links(text, "/traces?") if "before=" in one), "")
        pages += 1
    assert seen == [number for number in range(199, 9, -1) if number % 2 and number % 3 != 2 and number % 4]
    assert pages == 2
    text = browser.get("/traces?q=user_id:u1&errors=no&by_column=-cost_usd").text
    assert "/traces?q=user_id%3Au1&errors=no&by_column=cost_usd" in links(text, "/traces?")
    assert "/traces?q=user_id%3Au1+since%3A7d&errors=no&by_column=-cost_usd" in links(text, "/traces?")
    for field in (
        'name="by_column" value="-cost_usd"',
        'name="errors" value="no"',
        'name="q" value="user_id:u1"',
    ):
        assert field in text
    asked = {
        "at": "/traces",
        "q": "user_id:u1",
        "errors": "no",
        "by_column": "-cost_usd",
        "from": "2026-01-31",
    }
    led = browser.get("/between", params=asked, follow_redirects=False).headers["location"]
    assert led == "/traces?q=user_id%3Au1+since%3A2026-01-31T00%3A00%3A00Z&by_column=-cost_usd&errors=no"
    assert len(_shown(browser.get("/traces?by_column=-cost_usd").text)) == 200
    assert "The first 200" in browser.get("/traces?by_column=-cost_usd").text


@pytest.mark.parametrize(
    ("q", "meant"),
    [
        ("usr_id:u1", ["user_id:u1"]),
        ("usr_id:u1 OR x:1 OR y:2", ["user_id:u1 OR x:1 OR y:2"]),
        ("modle:gpt-4o usr_id=u1", ["model:gpt-4o usr_id=u1", "modle:gpt-4o user_id=u1"]),
        ("user_id:nobody", []),
        ('"usr_id:u1"', []),
        ("meta.modell:a", ["meta.model:a"]),
    ],
)
def test_a_misspelt_key_is_told(client: PromptLog, browser: TestClient, q: str, meant: list[str]) -> None:
    """A key that no request has is likely another; the link asks for that, and changes nothing else."""
    metadata = {"user_id": "u1"} | ({"model": "a"} if "meta." in q else {})
    client.log_request(**request(metadata=metadata))
    text = unescape(browser.get("/", params={"q": q}).text)
    begin = [one.split("href=")[1] for one in text.split("did you mean ")[1:]]
    assert [one.split('"')[1] for one in begin] == [View(q=other).address() for other in meant]


def test_days_are_chosen() -> None:
    """From one to another, both with all their hours, in place of what was chosen before."""
    view = filters.between(View(q="a:b since:7d"), "2026-01-31", "2026-02-01")
    assert view.q == "a:b since:2026-01-31T00:00:00Z until:2026-02-02T00:00:00Z"
    shown = filters.days(view, "/analytics", by="model")
    assert (shown.first, shown.last) == ("2026-01-31", "2026-02-01")
    assert shown.kept == [("at", "/analytics"), ("q", view.q), ("by", "model")]
    assert filters.between(view, "", "").q == "a:b"


@pytest.mark.parametrize(
    "asked", ["from=2026-13-01", "to=x", "from=2026-02-01&to=2026-01-01", "at=//elsewhere", "at=/keys"]
)
def test_days_that_are_none_are_refused(browser: TestClient, asked: str) -> None:
    """And nobody is led elsewhere."""
    assert browser.get(f"/between?{asked}", follow_redirects=False).status_code == 400


def test_tools_are_shown(client: PromptLog, browser: TestClient) -> None:
    """Of any provider's shape: the name, what it is for, what it takes."""
    tools = [
        {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": {"type": "object"}}},
        {"name": "book", "input_schema": {"type": "object", "required": ["table"]}},
        {"type": "web_search", "uses": 3},
        "odd",
    ]  # fmt: skip
    message = {"role": "user", "content": "Hi"}
    id = client.log_request(**request(input={"type": "chat", "messages": [message], "tools": tools}))["id"]
    shown = browser.get(f"/requests/{id}").text
    for text in ("4 tools", "weather", "Of a city.", "book", "table", "web_search", "odd"):
        assert says(shown, text)


def test_a_request_stands_in_the_list_it_was_opened_from(client: PromptLog) -> None:
    """`j` leads to the next of the list, `u` back to it; `?` tells of both."""
    for number in range(3):
        client.log_request(
            **request(input=f"Question {number}", request_start_time=number, request_end_time=number)
        )
    put(client, call(1))
    with chromium() as found, serving(client.path) as served, looking(found, served.url) as page:
        page.goto("/?sort=start_time")
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        page.get_by_text("Question 0").click()
        page.get_by_text("1 of 4").wait_for()
        page.keyboard.press("j")
        page.get_by_text("2 of 4").wait_for()
        assert page.get_by_text("Question 1").is_visible()
        page.keyboard.press("u")
        page.wait_for_url("**/?sort=start_time")
        page.goto(f"/traces/{TRACE}")
        page.get_by_role("button", name="step 1").click()
        page.get_by_text("span 0000000000000001").wait_for()


def test_who_costs_the_most(client: PromptLog, browser: TestClient) -> None:
    """Groups are ranked by any measure, and that there are more is said; the address of a group keeps the rank."""
    for number in range(30):
        for price in (number, 0)[: 1 + (number < 5)]:
            client.log_request(**request(metadata={"user": f"u{number:02}"}, price=price))
    shown = browser.get("/analytics/charts?by=meta.user").text
    assert "the first 25 by requests; there are more" in shown
    assert [f"u{n:02}" in shown for n in (0, 4, 29)] == [True, True, False]
    (by_cost,) = {one for one in links(shown, "/analytics?") if one.endswith("most=cost")}
    (charts,) = links(browser.get(by_cost).text, "/analytics/charts?")
    shown = browser.get(charts).text
    assert "the first 25 by cost; there are more" in shown
    names = [one for one in links(shown, "/analytics?q=") if "user%3A" in one or "user:" in one]
    assert all("most=cost" in one for one in names)
    users = re.findall(r">(u[0-9]{2})</a></td>", shown)
    assert users == [f"u{n:02}" for n in range(29, 4, -1)]
    assert 'aria-sort="descending"><a href="/analytics?by=meta.user&amp;most=cost">' in shown
