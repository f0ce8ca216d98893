"""What the list of requests is told while it is looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path


def test_each_new_request_is_told_once(tmp_path: Path) -> None:
    """Of many that were logged since the last time, the latest are rows and all are counted; nothing is told again."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.log_request(**request())
    browser = TestClient(make_app(client), base_url="http://localhost")
    since = re.findall(r'data-logged-us="(\d+)"', browser.get("/").text)[0]
    for count, rows in ((450, 200), (3, 3), (0, 0)):
        for number in range(count):
            client.log_request(
                **request(request_start_time=START + number, request_end_time=START + number + 1)
            )
        told = browser.get("/requests/new", params={"logged_us": since})
        since = told.headers["logged-us"]
        assert (int(told.headers["new-count"]), told.text.count("<tr id=")) == (count, rows)
