"""What was said, as a page shows it, however much that is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from promptlog.server.pages import content
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path


def test_a_large_request_has_a_page_that_can_be_looked_at(tmp_path: Path) -> None:
    """Of JSON with a million values and of long texts a beginning is shown, and where the whole is."""
    client = PromptLog(tmp_path / "a.duckdb")
    values = f"[{','.join(['1'] * 1_000_000)}]"
    request_id = client.log_request(
        **request(
            input=[{"role": "user", "content": [{"type": "text", "text": values}]}], output="long " * 400_000,
            parameters={"tools": [{"name": f"tool {number}"} for number in range(30_000)]},
        )
    )["id"]  # fmt: skip
    browser = TestClient(make_app(client), base_url="http://localhost")
    page = browser.get(f"/requests/{request_id}")
    assert len(page.content) < 1_000_000
    for kind in ("input", "output", "json"):
        assert f'href="/requests/{request_id}/copy/{kind}"' in page.text
    assert browser.get(f"/requests/{request_id}/copy/output").text == "long " * 400_000


def test_a_tree_is_as_large_and_deep_as_can_be_unfolded() -> None:
    """What is more, all messages together, is text: none of it is cut off without a word."""
    assert content.tree({"a": [1, {"b": None}]}).raw == ""
    assert json.loads(content.tree([1] * 10_000).raw) == [1] * 10_000
    for depth in (50, 500):
        deep: Any = "bottom"
        for _ in range(depth):
            deep = [deep]
        assert "bottom" in content.tree(deep).raw
    assert "\ud800" in content.tree(["\ud800"] * 10_000).raw
    message = {"role": "user", "content": [{"type": "odd", "values": [1] * 6000}]}
    first, second = content.conversation({"messages": [message, message]})
    assert (first.blocks[0].raw, second.blocks[0].raw != "") == ("", True)
