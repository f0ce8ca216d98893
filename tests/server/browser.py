"""Debian's Chromium before a real server; tests skip where it is not installed."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Request, Response

_AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, url: str, *, width: int = 1280, scheme: Any = "light") -> Iterator[Page]:
    """Open a page that is looked at; the console must stay without errors, and nothing may ask the user a thing."""
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    wrong: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def dialog(shown: Dialog) -> None:
        wrong.append(shown.message)
        shown.dismiss()

    def asked(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            wrong.append(request.url)

    page.on("console", console)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", dialog)
    page.on("request", asked)
    try:
        yield page
        assert not wrong
    finally:
        context.close()


def expect(found: Locator, count: int) -> None:
    """Wait until so many elements are there."""
    from playwright.sync_api import expect as wait

    wait(found).to_have_count(count)


def settled(page: Page) -> None:
    """Wait until what a page asks for by itself, or after something was done, is there."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(60)  # so long may it take until it asks
    expect(page.locator(".htmx-request"), 0)


def answers_of(page: Page) -> list[Response]:
    """Return a list that every answer from now on is added to."""
    found: list[Response] = []

    def keep(answer: Response) -> None:
        found.append(answer)

    page.on("response", keep)
    return found


def serious(page: Page) -> list[str]:
    """Return what axe finds that is serious: the rule and the first element of each."""
    page.evaluate(_AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0].get('failureSummary', '')[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
