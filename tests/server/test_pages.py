"""The pages, in a real browser before a real server: what a person does, sees and cannot be tricked by."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from promptlog import PromptLog, col, meta, score, tag
from promptlog.server.freshness import MAX_LAG_S
from tests.samples import START, request
from tests.server.browser import answers_of, chromium, expect, looking, serious, settled
from tests.server.support import Served, serving, wait_until
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NOON = 1_770_000_000.0
_EVIL = (
    "<script>alert(1)</script></textarea><img src=x onerror=alert(2)> javascript:alert(3) \u202egnp.exe \"'&"
)
_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_PAGES = ("/", "/?q=status:error", "/?q=user_id:(", "/analytics?by=user_id", "/sessions", "/traces", "/openapi", "/sessions/one?key=user_id&value=user_0", "/keys", "/keys/values?key=user_id", "/prompts", "/nothing")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class _Attributes(HTMLParser):
    """The values of all attributes that a browser would read."""

    def __init__(self) -> None:
        super().__init__()
        self.values: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.values |= {value for _, value in attrs}


def fill(client: PromptLog, count: int = 120) -> None:
    """Log requests of three users, one a minute."""
    for number in range(count):
        client.log_request(
            provider="openai", model="gpt-4o", input=f"Question {number}", output=f"Answer {number}",
            request_start_time=_NOON + number * 60, request_end_time=_NOON + number * 60 + 1, price=0.001,
            input_tokens=100, output_tokens=number, tags=["production" if number % 2 else "beta"],
            status="ERROR" if number % 10 == 0 else "SUCCESS",
            metadata={"user_id": f"user_{number % 3}", "session_id": f"s{number // 4}"},
        )  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a store with requests, one of them hostile, a trace and a prompt."""
    path = tmp_path_factory.mktemp("pages") / "a.duckdb"
    client = PromptLog(path)
    fill(client)
    client.log_request(
        provider=_EVIL, model=_EVIL, request_start_time=_NOON + 9000, request_end_time=_NOON + 9001,
        input=[
            {"role": "user", "content": [{"type": "text", "text": _EVIL}, {"type": "image_url", "image_url": {"url": "javascript:alert(4)"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": _EVIL, "type": "function", "function": {"name": _EVIL, "arguments": json.dumps({_EVIL: [_EVIL]})}}]},
        ],
        output=_EVIL, error_type=_EVIL, error_message=_EVIL, parameters={_EVIL: {"a": _EVIL}}, prompt_name=_EVIL,
        metadata={"evil": _EVIL, _EVIL: "x", "session_id": _EVIL, "user_id": _EVIL}, tags=[_EVIL], score=5, score_name=_EVIL,
        trace_id=_TRACE, span_id=_SPAN,
    )  # fmt: skip
    span = {
        "trace_id": _TRACE, "span_id": _SPAN, "name": _EVIL, "kind": "INTERNAL", "start_time": _NOON * 1_000_000,
        "end_time": _NOON * 1_000_000 + 500, "status": "ERROR", "status_message": _EVIL, "attributes": {_EVIL: json.dumps({_EVIL: 1})},
        "events": [{"name": _EVIL, "time": _NOON * 1_000_000, "attributes": {_EVIL: _EVIL}}],
    }  # fmt: skip
    client._append({"kind": "span", "source_time": span["start_time"], "span": span})
    for text in ("A recipe for {cake}", f"A short recipe for {{cake}} {_EVIL}"):
        client.templates.publish(
            {
                "prompt_name": "team/cake",
                "prompt_template": {"type": "chat", "messages": [{"role": "user", "content": text}]},
                "commit_message": _EVIL,
                "release_labels": [_EVIL[:30]],
            }
        )
    client.templates.publish(
        {
            "prompt_name": "cake",
            "prompt_template": {
                "type": "chat",
                "messages": [{"role": "user", "content": "A {flavour} cake"}],
            },
            "metadata": {"model": {"provider": "openai", "name": "gpt-4o"}},
        }
    )
    client.close()
    with (
        Wire() as wire,
        serving(path, OPENAI_BASE_URL=wire.openai("every=0.1"), OPENAI_API_KEY="sk-test") as found,
    ):
        yield found


def test_from_an_empty_store_to_an_answer(browser: Browser, tmp_path: Path) -> None:
    """Somebody sees how to log, does it, and finds what happened to a user; changes stay."""
    with serving(tmp_path / "a.duckdb") as served, looking(browser, served.url) as page:
        page.goto("/")
        assert page.get_by_text("Nothing is logged yet").is_visible()
        lines = page.locator(".first pre code").inner_text()
        assert len(lines.splitlines()) == 3
        subprocess.run([sys.executable, "-c", lines], check=True)
        client = PromptLog(served.store)
        fill(client, 20)
        client.close()
        page.wait_for_timeout(MAX_LAG_S * 1000)  # so long may a page lag behind other processes
        page.reload()
        field = page.get_by_role("combobox", name="Search")
        field.fill("\U0001f600 user")  # two of what JavaScript counts stand before the word
        page.get_by_role("option", name="user_id:").first.click()
        assert field.input_value() == "\U0001f600 user_id:"
        field.fill("user_id:")
        page.get_by_role("option", name="user_id:user_1 7").click()
        field.press("Enter")
        page.wait_for_url(re.compile("q=user_id%3Auser_1"))
        assert page.locator("#rows tr[id]").count() == 7
        page.locator(".facet .value", has_text="ERROR").click()
        page.wait_for_url("**status*")
        assert page.locator("#rows tr[id]").count() == 1
        page.locator("#rows td.k-input_text").click()  # anywhere on the row
        page.get_by_role("heading", level=1).wait_for()
        assert page.get_by_text("Answer 10").is_visible()
        page.get_by_role("button", name="Copy the output").click()
        page.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "Answer 10"
        page.get_by_label("New metadata key").fill("plan")
        page.get_by_label("New metadata value").fill("pro")
        page.get_by_role("button", name="Set").click()
        page.locator("dt", has_text="plan").wait_for()
        page.get_by_label("Edit plan").click()
        page.get_by_label("Value", exact=True).fill("free")
        page.get_by_label("Value", exact=True).press("Enter")
        page.locator(".changed", has_text="pro").wait_for()
        page.get_by_role("button", name="Good: score 100").click()
        page.locator('[aria-label="Good: score 100"][aria-pressed="true"]').wait_for()
        page.get_by_label("New tag").fill("seen")
        page.get_by_role("button", name="Add").click()
        page.locator("#tracked .tag", has_text="seen").wait_for()
        page.locator(".near", has_text="this request").first.wait_for()
        where = client.search("plan:free")
        client.track.metadata(where.ids()[0], {"note": "one\r\ntwo", " odd\nkey ": "x"})
        while not page.get_by_role("button", name="Edit note").count():  # what others log may lag
            page.reload()
        page.get_by_role("button", name="Edit note").click()
        page.get_by_role("button", name="Replace").click()  # nothing was edited, and nothing is changed
        page.locator("dialog[open]").wait_for(state="detached")
        page.get_by_role("button", name="Edit odd key").click()
        page.get_by_label("Value", exact=True).fill("one")
        page.get_by_label("Value", exact=True).press("Shift+Enter")
        page.get_by_label("Value", exact=True).press_sequentially("two")
        page.get_by_role("button", name="Replace").click()
        page.locator("#tracked dd", has_text="one\ntwo").nth(1).wait_for()
        (told,) = where
        assert (told.metadata["note"], told.metadata[" odd\nkey "]) == ("one\r\ntwo", "one\ntwo")
        assert "odd\nkey" not in told.metadata
        found = client.search("user_id:user_1 status:error plan:free tag:seen score:100").count()
        assert found == 1


def test_a_text_that_cannot_be_read_is_marked(browser: Browser, served: Served) -> None:
    """The place is marked, and what was expected there is said."""
    with looking(browser, served.url) as page:
        page.goto("/?q=status:error+user_id:(")
        assert page.get_by_role("alert").inner_text().count("Expected") == 1
        assert page.locator("mark").count() == 1


def test_rows_go_on_and_on(browser: Browser, served: Served) -> None:
    """Scrolling brings the next rows until there are no more; an address sorts and chooses columns."""
    with looking(browser, served.url) as page:
        page.goto("/?sort=output_tokens&c=output_tokens&c=meta.user_id")
        assert page.locator("#rows tr[id]").count() == 50
        for _ in range(2):
            page.locator("tr.next").scroll_into_view_if_needed()
            settled(page)
        expect(page.locator("#rows tr[id]"), 121)
        numbers = page.locator("#rows td.k-number").all_inner_texts()[:120]
        assert numbers == [str(number) for number in range(120)]
        page.get_by_role("link", name="user_id", exact=True).click()
        page.wait_for_url("**sort=meta.user_id*")
        page.locator("tr.next").scroll_into_view_if_needed()
        expect(page.locator("#rows tr[id]"), 100)
        users = page.locator("#rows td.k-metadata").all_inner_texts()
        assert users == sorted(users)
        assert {*users} >= {"user_0", "user_1", "user_2"}


def test_a_conversation_is_read(browser: Browser, tmp_path: Path) -> None:
    """From the sessions to what was said, turn by turn, with keys; from a request to its place; who comes back is there."""
    client = PromptLog(tmp_path / "a.duckdb")
    history: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}]
    for number in range(60):
        history = [*history, {"role": "user", "content": f"Question {number}"}]
        client.log_request(
            **request(
                input=history, output=f"Answer {number}", metadata={"session_id": "talk", "user_id": "ada"},
                request_start_time=START + number * 30, request_end_time=START + number * 30 + 2,
            )
        )  # fmt: skip
        history = [*history, {"role": "assistant", "content": f"Answer {number}"}]
    with serving(client.path) as served, looking(browser, served.url) as page:
        page.goto("/sessions")
        page.get_by_role("link", name="talk", exact=True).click()
        page.locator(".turn").first.wait_for()
        assert page.locator(".turn .said.user").all_inner_texts() == [
            f"user\nQuestion {number}" for number in range(20)
        ]
        page.locator(".turn").nth(9).locator(".earlier summary").click()
        page.locator(".turn").nth(9).get_by_text("Answer 0").wait_for()
        assert page.locator(".turn").nth(9).get_by_text("Question 9").count() == 1
        for count in (40, 60):
            page.locator("#turns .next").scroll_into_view_if_needed()
            expect(page.locator(".turn"), count)
        assert page.get_by_text("Question 59").count() == 1
        for _ in range(2):
            page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 60").wait_for()
        page.keyboard.press("j")
        page.get_by_text("3 of 60").wait_for()
        page.keyboard.press("u")
        page.get_by_role("link", name="Latest turns").click()
        page.get_by_text("Question 59").wait_for()
        page.locator(".turn h3 a").nth(10).click()  # the fiftieth
        page.get_by_text("11 of 20").wait_for()
        page.get_by_role("link", name="Read as a conversation").first.click()
        page.wait_for_url("**/sessions/one?*at=*")
        assert page.locator(".turn:target").inner_text().count("Question 50") == 1
        page.locator(".turn:target").get_by_role("link", name="Request of").click()
        page.get_by_text("6 of 15").wait_for()
        page.go_back()
        expect(page.locator(".turn"), 15)
        client.log_request(
            **request(
                input="More?",
                metadata={"session_id": "talk"},
                request_start_time=START + 9000,
                request_end_time=START + 9001,
            )
        )
        while not page.get_by_text("More?").count():  # what others log may lag
            page.get_by_role("button", name="look for later ones").click()
            settled(page)
        assert page.locator(".gap").last.inner_text().startswith("2 h")
        expect(page.locator(".turn"), 16)


def test_new_requests_appear(browser: Browser, tmp_path: Path) -> None:
    """While Live is on, what other processes log stands on top, once; in another order its number is told."""
    client = PromptLog(tmp_path / "a.duckdb")
    fill(client, 3)
    with serving(client.path) as served, looking(browser, served.url) as page:
        page.goto("/")
        page.get_by_role("button", name="Live").click()
        fill(client, 2)
        expect(page.locator("#rows tr[id]"), 5)
        page.evaluate("document.querySelector('#live').dataset.most = 4")
        page.locator('#rows input[name="id"]').last.check()
        client.log_request(**request())
        expect(page.locator("#rows tr[id]"), 6)  # one of them is selected
        page.locator('#rows input[name="id"]').last.uncheck()
        with page.expect_request("**/requests/rows*"):  # those below go, and come again when looked for
            client.log_request(**request(request_start_time=START + 1, request_end_time=START + 2))
        expect(page.locator("#rows tr[id]"), 7)
        page.goto("/?sort=-output_tokens&q=status:success")
        page.get_by_role("button", name="Live").click()
        fill(client, 3)
        page.get_by_role("link", name="2 new requests: show").click()
        expect(page.locator("#rows tr[id]"), 7)


def test_many_are_changed_at_once(browser: Browser, tmp_path: Path) -> None:
    """Those that are selected, or all that match, are tagged, given metadata and scored; the rows show it."""
    client = PromptLog(tmp_path / "a.duckdb")
    fill(client, 1300)
    with serving(client.path) as served, looking(browser, served.url) as page:
        page.goto("/?c=start_time&c=tags&c=scores&c=meta.plan&q=status:success")
        boxes = page.locator('#rows input[name="id"]')
        boxes.nth(0).check()
        boxes.nth(2).click(modifiers=["Shift"])
        assert page.locator("#picked").inner_text() == "3 selected"
        page.get_by_label("Tag", exact=True).fill("odd")
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_text("3 requests tagged odd").wait_for()
        expect(page.locator("#rows .tag", has_text="odd"), 3)
        expect(page.locator(".facet .value", has_text="odd"), 1)  # they are counted anew
        page.locator("#bulk summary").click()
        with page.expect_download() as taken:
            page.get_by_role("link", name="CSV").last.click()
        assert len(taken.value.path().read_text().splitlines()) == 4
        page.get_by_label("Tag", exact=True).fill("beta")
        page.get_by_role("button", name="Untag").click()
        page.get_by_text("beta taken off 3 requests").wait_for()
        assert page.locator("#picked").inner_text() == "3 selected"
        page.get_by_label("Select all shown").check()
        page.get_by_role("button", name="Select all 1,170 that match this search").click()
        page.get_by_label("Metadata key").fill("plan")
        page.get_by_label("Metadata value").fill("pro")
        page.get_by_label("Metadata value").press("Enter")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Set", exact=True).click()
        page.get_by_role("button", name="Set 1,170 requests").click()
        page.get_by_text("plan set on 1,170 requests").wait_for()
        expect(page.locator("#rows td.k-metadata", has_text="pro"), 50)
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Undone on 1,170 requests").wait_for()
        expect(page.locator("#rows td.k-metadata", has_text="pro"), 0)
        expect(page.get_by_role("button", name="Undo"), 0)
        assert client.requests.filter(meta("plan").exists()).count() == 0
        page.get_by_role("button", name="Set", exact=True).click()
        page.get_by_text("You can undo it right after.").wait_for()
        page.get_by_role("button", name="Set 1,170 requests").click()
        expect(page.locator("#rows td.k-metadata", has_text="pro"), 50)
        boxes.nth(0).uncheck()
        assert page.locator("#picked").inner_text() == "49 selected"
        page.get_by_label("Score", exact=True).fill("80")
        page.get_by_label("Score", exact=True).press("Enter")
        page.get_by_text("49 requests scored 80").wait_for()
        assert client.requests.filter(tag("odd")).count() == 3
        assert client.requests.filter(meta("plan") == "pro").count() == 1170
        assert client.requests.filter(score() == 80).count() == 49
        (odd,) = {row["plan"] for row in client.search("status:error").with_metadata("plan").dicts()}
        assert odd is None


def test_charts_narrow_and_filter(browser: Browser, served: Served) -> None:
    """A chart is drawn; dragging narrows the time, a group's name adds a filter, both in the address."""
    with looking(browser, served.url) as page:
        page.goto("/analytics")
        page.locator(".chart canvas").first.wait_for()
        assert page.locator(".chart canvas").count() == 5
        over = page.locator(".chart .u-over").first
        box = over.bounding_box()
        assert box
        page.mouse.move(box["x"] + 40, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 160, box["y"] + 50, steps=4)
        page.mouse.up()
        page.wait_for_url("**since*until*")
        page.get_by_label("Group by").select_option("user_id")
        page.wait_for_url("**by=meta.user_id*")
        page.locator(".legend a", has_text="user_1").click()
        page.wait_for_url("**user_1*")
        page.locator(".chart canvas").first.wait_for()
        page.locator("summary", has_text="Python").first.click()
        assert "by_time" in page.locator(".sheet pre").first.inner_text()


def test_prompts_are_tried(browser: Browser, served: Served) -> None:
    """Variables take their places; what keeps a run from happening is said."""
    with looking(browser, served.url) as page:
        page.goto("/prompts/one?name=team/cake")
        assert page.locator(".diff .plus").count() == 1
        page.locator("textarea").fill("lemon")
        page.get_by_role("button", name="Render").click()
        page.locator("#tried", has_text="A short recipe for lemon").wait_for()
        page.get_by_role("button", name="Run").click()
        page.locator("#tried [role=alert]", has_text="model").wait_for(timeout=3000)
        page.get_by_label("provider", exact=True).fill("openai")
        page.get_by_label("model", exact=True).fill("gpt-4o-mini")
        page.get_by_role("button", name="Run").click()
        page.get_by_role("link", name="The request as it was logged").wait_for()
        page.reload()
        page.locator(".use tbody tr", has_text="v2").get_by_role("link", name="1", exact=True).click()
        expect(page.locator("#rows tr[id]", has_text="gpt-4o-mini"), 1)
        page.goto("/prompts/one?name=cake")
        page.get_by_label("flavour").fill("lemon <b>")
        page.get_by_role("button", name="Run").click()
        page.locator(".coming", has_text="You said: A").wait_for()  # the rest is still to come
        page.get_by_role("link", name="The request as it was logged").wait_for()
        assert page.locator("#tried .out").inner_text().endswith("You said: A lemon <b> cake")
        page.get_by_label("flavour").fill("lemon " * 100)
        page.get_by_role("button", name="Run").click()
        page.locator(".coming", has_text="You said: A").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped").wait_for()
        left = PromptLog(served.store).requests.filter(col.prompt_name == "cake", col.status == "WARNING")
        wait_until(lambda: left.count() == 1)
        page.get_by_label("flavour").fill("plum")
        page.get_by_role("button", name="Run").click()
        page.get_by_role("link", name="The request as it was logged").click()
        page.get_by_role("heading", level=1, name=re.compile("[0-9a-f-]{36}")).wait_for()
        assert page.get_by_text("You said: A plum cake").is_visible()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(browser: Browser, served: Served, width: int, scheme: str) -> None:
    """On any page, light and dark, wide and as narrow as a phone, where nothing is wider than the page."""
    hostile = PromptLog(served.store).search("evil:exists").ids()[0]
    trace = f"/traces/{_TRACE}"
    addresses = (
        *_PAGES[:-1],
        f"/requests/{hostile}",
        "/prompts/one?name=team/cake",
        f"/sessions/one?key=session_id&value={quote(_EVIL)}",
        trace,
        f"{trace}/spans/{_SPAN}",
    )
    with looking(browser, served.url, width=width, scheme=scheme) as page:
        for address in addresses:
            page.goto(address)
            settled(page)
            if folder := os.environ.get("PROMPTLOG_SCREENSHOTS"):
                name = re.sub(r"\W+", "-", address).strip("-") or "requests"
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
            assert serious(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_who_has_no_token_is_asked_for_it(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    """On a page like the others, which tells nothing of the store; with the token the address leads where it did."""
    client = PromptLog(tmp_path / "private.duckdb")
    fill(client, 4)
    with serving(client.path, "--token", "s3cret") as served:
        context = browser.new_context(
            base_url=served.url,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        page, asked = context.new_page(), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        refused: list[str] = []
        page.on(
            "console",
            lambda message: refused.append(message.text) if "Content Security" in message.text else None,
        )
        page.goto("/?q=user_id:user_1&sort=-cost_usd")
        assert page.get_by_role("heading", level=1).inner_text() == "This server asks for a token"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 17, 21)"
        assert dark == (scheme == "dark")  # its style is used
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.activeElement.name") == "token"
        if folder := os.environ.get("PROMPTLOG_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"token-{width}-{scheme}.png")
        page.keyboard.type("guess")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        text = page.content()
        assert not [
            word for word in ("private", "s3cret", "guess", "csrf", "Question", str(tmp_path)) if word in text
        ]
        assert not [url for url in asked if "?" not in url]  # but the page itself nothing was asked for
        assert refused == []
        page.get_by_label("Token").fill("s3cret")
        page.get_by_role("button", name="Open").click()
        expect(page.locator("#rows tr[id]"), 1)
        assert page.url == f"{served.url}/?q=user_id%3Auser_1&sort=-cost_usd"
        context.close()


def test_traces_fit_a_phone(browser: Browser, served: Served) -> None:
    """Nothing scrolls sideways, the table neither; what sorts it is still there."""
    with looking(browser, served.url, width=390) as page:
        for address in ("/traces", "/traces?errors=yes&by_column=-cost_usd"):
            page.goto(address)
            assert page.locator(".traces tbody tr").count() == 1
            wide = "[...document.querySelectorAll('html, .scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
            assert page.evaluate(wide) == 0
            assert serious(page) == []
        page.locator(".sorts summary").click()
        page.locator(".sorts").get_by_role("link", name="duration").click()
        page.wait_for_url("**by_column=-latency_ms*")


def test_stored_text_is_never_markup(browser: Browser, served: Served) -> None:
    """What a request says is shown as text wherever it stands: no element, no script, no link comes of it."""
    hostile = PromptLog(served.store).search("evil:exists").ids()[0]
    evil = "c=start_time&c=model&c=provider&c=input_text&c=meta.evil&c=tags&c=scores&c=error_message"
    pages = ("/", f"/?{evil}", "/?q=evil:exists", f"/requests/{hostile}", "/keys", "/keys/values?key=evil", "/sessions", f"/sessions/one?key=evil&value={quote(_EVIL)}", f"/sessions/one?value={quote(_EVIL)}&at={hostile}", "/analytics?by=evil", "/analytics?by=model", "/prompts/one?name=team/cake", "/traces", f"/traces/{_TRACE}", f"/traces/{_TRACE}/spans/{_SPAN}")  # fmt: skip
    with looking(browser, served.url) as page:
        for address in pages:
            page.goto(address)
            settled(page)
            assert page.locator("img[src=x]").count() == 0
            assert page.locator('[href^="javascript:"], [src^="javascript:"]').count() == 0
            assert page.evaluate("[...document.scripts].every(one => one.src.startsWith(location.origin))")
            assert "\u202e" not in page.locator("body").inner_text()
            if address.endswith(_TRACE):
                page.locator("a.span").click()
                page.locator(".holds h3", has_text="events").wait_for()
                assert page.locator("img[src=x]").count() == 0
            if address.startswith(("/requests/", "/sessions/one")):
                assert page.get_by_text("<script>alert(1)</script></textarea>").count() >= 5


def test_a_link_cannot_put_attributes_into_a_page(browser: Browser, served: Served) -> None:
    """What an address says is data as well: htmx would obey an attribute that a link smuggled in."""
    smuggled = quote('" hx-get=/stolen hx-trigger=load x="')
    for name in ("q", "by", "key", "value", "sort", "c", "after", "prefix", "version"):
        for path in (
            "/",
            "/analytics",
            "/sessions",
            "/sessions/one" if name == "value" else "/sessions/one?value=s1",
            "/keys/values?key=user_id",
            "/prompts/one?name=team/cake",
        ):
            found = _Attributes()
            joined = f"{path}{'&' if '?' in path else '?'}{name}={smuggled}"
            found.feed(httpx.get(served.url + joined).text)
            assert found.values
            assert "/stolen" not in found.values
    with looking(browser, served.url) as page:
        page.goto("/?q=" + quote("'a\"b\\' </script>"))
        page.get_by_role("button", name="Copy as Python").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "client.search(" in copied
        compile(copied, "copied", "exec")


def test_a_first_page_is_small(browser: Browser, served: Served) -> None:
    """All that a first visit loads stays under 300 KB, charts included."""
    for address in ("/", "/analytics"):
        with looking(browser, served.url) as page:
            answers = answers_of(page)
            page.goto(address)
            page.wait_for_load_state("networkidle")
            assert 20_000 < sum(len(answer.body()) for answer in answers) < 300_000


def test_exports_hold_what_is_filtered(served: Served) -> None:
    """Each kind of file has the requests of the search, in its order, metadata and tags with them."""
    pq = pytest.importorskip("pyarrow.parquet")
    client = PromptLog(served.store)
    ids = client.requests.filter(meta("user_id") == "user_1").sort(col.output_tokens).ids()
    asked = {"q": "user_id:user_1", "sort": "output_tokens"}
    rows = list(
        csv.DictReader(io.StringIO(httpx.get(f"{served.url}/requests/export.csv", params=asked).text))
    )
    assert [row["request_id"] for row in rows] == ids
    assert json.loads(rows[0]["metadata"]) == {"session_id": "s0", "user_id": "user_1"}
    lines = httpx.get(f"{served.url}/requests/export.jsonl", params=asked).text.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == ids
    parquet = httpx.get(f"{served.url}/requests/export.parquet", params=asked).content
    assert pq.read_table(io.BytesIO(parquet)).column("request_id").to_pylist() == ids
    nothing = httpx.get(f"{served.url}/requests/export.parquet", params={"q": "user_id:nobody"}).content
    assert pq.read_table(io.BytesIO(nothing)).num_rows == 0
    assert httpx.get(f"{served.url}/requests/export.csv", params={"q": "a:("}).status_code == 400


def test_a_server_that_reads_offers_no_change(tmp_path: Path) -> None:
    """No form stands on its pages, and one that is sent all the same is refused."""
    client = PromptLog(tmp_path / "a.duckdb")
    fill(client, 2)
    (first, _) = client.requests.ids()
    client.close()
    with serving(client.path, "--read-only") as served:
        shown = httpx.get(f"{served.url}/requests/{first}").text
        assert "<form" not in shown
        assert (
            httpx.post(f"{served.url}/requests/{first}/tracked", data={"do": "tag", "value": "x"}).status_code
            == 403
        )


def test_a_full_disk_is_told(served: Served) -> None:
    """A change that was not written is not said to be made: of one request, of some, of all that match."""
    client = PromptLog(served.store)
    ids = client.requests.limit(2).ids()
    shown = httpx.get(f"{served.url}/requests/{ids[0]}").text
    headers = {"x-csrf-token": re.findall('csrf-token" content="([^"]+)', shown)[0], "hx-request": "true"}
    limit = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (0, limit[1]))
    try:
        forms: tuple[dict[str, str], ...] = (
            {"do": "metadata", "key": "full", "value": "x"}, {"do": "tag", "value": "full"}, {"do": "score", "value": "7"},
            {"do": "unmetadata", "key": "user_id"}, {"do": "untag", "value": "beta"}, {"do": "unscore", "key": "default"},
        )  # fmt: skip
        told = [
            httpx.post(f"{served.url}/requests/{ids[0]}/tracked", data=form, headers=headers)
            for form in forms
        ]
        for every in ("", "yes"):
            form = {"do": "tag", "tag": "full", "id": ids, "all": every}
            told.append(httpx.post(f"{served.url}/requests/bulk", data=form, headers=headers))
    finally:
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, limit)
    assert {answer.status_code for answer in told} == {507}
    assert all("the disk refused" in answer.text or "not logged" in answer.text for answer in told)
    assert client.requests.filter(tag("full")).count() == 0


@pytest.mark.parametrize(
    ("before", "typed", "text"),
    [
        ("-user_i", "user_i", "user_id:"), ("\U0001f600 OR (user_id:user_1", "user_id:user_1", "user_id:user_1 "), ('say "a b" mod', "mod", "model:"),
        ('"user_id:user', None, None), ('"a\\', None, None), ("status:e", "status:e", "status:ERROR "), ("user_id:user_1)", "", "evil:"),
    ],
)  # fmt: skip
def test_suggestions_end_the_word_that_is_typed(
    served: Served, before: str, typed: str | None, text: str | None
) -> None:
    """What stands before the word stays; in quotes there is nothing to suggest."""
    found = httpx.get(f"{served.url}/suggest", params={"q": before}).json()
    assert text is None or text in [one["text"] for one in found]
    assert {one["typed"] for one in found} <= {typed}
    assert bool(found) == (typed is not None)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/requests/nothing", 400), ("/requests/nothing/copy/json", 400), ("/requests/count?q=a:(", 400), ("/?sort=meta.k::float", 200), ("/requests/018bd12c-58b0-7683-8f1a-000000000000", 404), ("/nowhere", 404),
        ("/prompts/one?name=none", 404), ("/prompts/one", 400), ("/prompts/none", 404), ("/?after=nothing", 400), ("/?sort=nothing&c=nothing", 200), ("/analytics/narrow?from=x&to=-1", 303),
        ("/requests/new?logged_us=99999999999999999999999", 200), ("/suggest?q=" + "a" * 9999 + "(", 200), ("/suggest?q=" + "a" * 10_001, 200), ("/keys/values?key=no/key", 200), ("/keys/values", 400),
    ],
)  # fmt: skip
def test_odd_addresses_have_clear_answers(served: Served, address: str, status: int) -> None:
    """What is not there is said to be so; nothing is an error of the server."""
    assert httpx.get(served.url + address).status_code == status
