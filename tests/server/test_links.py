"""Links lead to what they name, whatever that is called."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = (
    "rows",
    "values",
    ".",
    "..",
    "a/../x",
    "x",
    "a\nb",
    "model",
    "tag",
    "status",
    "a&b=c#d",
    "meta.x",
    'a "q"',
    "é%2F",
)


def links(text: str, begin: str) -> list[str]:
    """Return the addresses of a page that begin so."""
    found = (unescape(one) for one in re.findall(r'(?:href|hx-get)="([^"]+)"', text))
    return [one for one in found if one.startswith(begin)]


def heading(text: str) -> str:
    """Return what the page says that it shows."""
    return unescape(re.findall("<h1>(.*?)</h1>", text, re.DOTALL)[0])


def says(page: str, text: str) -> bool:
    """Return whether a page has a text, in one line or more."""
    return " ".join(text.split()) in " ".join(unescape(page).split())


def test_keys_and_prompts_may_be_called_anything(tmp_path: Path) -> None:
    """A name that is a path, a column or two lines leads to itself: values, chart, requests, prompt, its versions."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.log_request(
        **request(model="the model", metadata={key: f"of {key}" for key in _NAMES}, tags=["t"])
    )
    for name in _NAMES:
        client.templates.publish(
            {"prompt_name": name, "prompt_template": {"type": "completion", "content": f"says {name}"}}
        )
        client.templates.label(name, "prod")
        client.templates.publish(
            {"prompt_name": name, "prompt_template": {"type": "completion", "content": f"says {name}!"}}
        )
        client.log_request(**request(prompt_name=name, prompt_version_number=1))
    browser = TestClient(make_app(client), base_url="http://localhost")
    keys = browser.get("/keys/rows").text
    pages = [browser.get(address).text for address in links(keys, "/keys/")]
    assert {heading(page) for page in pages} == {*_NAMES}
    assert all(says(page, f"of {heading(page)}") for page in pages)
    for address, page in zip(links(keys, "/analytics?"), pages, strict=True):
        (charts,) = links(browser.get(address).text, "/analytics/charts?")
        assert says(browser.get(charts).text, f"of {heading(page)}")
    listed = browser.get("/prompts").text
    assert listed.count('prod <span class="dim">v1</span>') == len(_NAMES)
    prompts = [browser.get(address).text for address in links(listed, "/prompts/")]
    assert {heading(page) for page in prompts} == {*_NAMES}
    for page in prompts:
        (render,) = links(page, "/prompts/render?")
        assert says(browser.get(render).text, f"says {heading(page)}")
        (use,) = links(page, "/prompts/use?")
        (those,) = links(browser.get(use).text, "/?")
        assert says(browser.get(those).text, "How do I bake a cake?")


def test_the_next_and_the_previous_request(tmp_path: Path) -> None:
    """`j` and `k` go on in the session, where there is one, and not in what else the user did."""
    client = PromptLog(tmp_path / "a.duckdb")
    ids = [
        client.log_request(
            **request(
                request_start_time=number, request_end_time=number + 1, metadata={"session_id": f"s{number % 2}", "user_id": "u"}
            )
        )["id"]
        for number in range(6)
    ]  # fmt: skip
    browser = TestClient(make_app(client), base_url="http://localhost")
    page = browser.get(f"/requests/{ids[2]}/near").text
    assert re.findall(r'href="/requests/([^"]+)" rel="(\w+)"', page) == [(ids[4], "next"), (ids[0], "prev")]
