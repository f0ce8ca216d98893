"""Files of what is filtered: whole, in order, and refused before they begin where they cannot be read."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.errors import StoreBusyError, StoreError
from promptlog.server.app import make_app
from promptlog.server.pages.export import ended, step
from tests.server.test_pages import fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_exports_go_on_page_by_page(tmp_path: Path) -> None:
    """A file has each request once and in order, however many pages it is read in; an empty one has its columns."""
    pq = pytest.importorskip("pyarrow.parquet")
    client = PromptLog(tmp_path / "a.duckdb")
    fill(client, 4001)
    browser = TestClient(make_app(client), base_url="http://localhost")

    def read(kind: str, **asked: Any) -> str:
        return browser.get(f"/requests/export.{kind}", params=asked).text

    asked = {"sort": "output_tokens", "c": ["output_tokens", "meta.user_id", "tags"]}
    rows = [*csv.reader(io.StringIO(read("csv", **asked)))]
    assert rows[0] == ["request_id", "output_tokens", "user_id", "tags"]
    assert [row[1] for row in rows[1:]] == [str(number) for number in range(4001)]
    assert rows[-1][2:] == ["user_1", '["beta"]']
    lines = [json.loads(line) for line in read("jsonl", **asked).splitlines()]
    assert [line["output_tokens"] for line in lines] == [*range(4001)]
    parquet = browser.get("/requests/export.parquet", params=asked).content
    assert pq.read_table(io.BytesIO(parquet)).column("output_tokens").to_pylist() == [*range(4001)]
    assert read("csv", q="user_id:nobody", c=["scores"]).split() == ["request_id,scores"]
    assert read("csv", q="user_id:nobody").startswith("request_id,")


_HOLD = """
import fcntl, sys
with open(sys.argv[1], "r+") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_export_that_cannot_begin_is_an_error(kind: str, tmp_path: Path) -> None:
    """A status says so, and not a file that breaks off."""
    client = PromptLog(tmp_path / "a.duckdb", busy_timeout=0.1)
    fill(client, 1)
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "a.duckdb.journal" / "lock")]
    (tmp_path / "a.duckdb.journal" / "lock").touch()
    with (
        TestClient(make_app(client), base_url="http://localhost") as browser,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holding,
    ):
        assert holding.stdin
        assert holding.stdout
        holding.stdout.readline()
        try:
            assert browser.get(f"/requests/export.{kind}").status_code == 503
        finally:
            holding.stdin.close()


def test_a_file_that_breaks_off_has_no_end() -> None:
    """Whoever asks on after a failure is not told that the file is whole."""

    def broken() -> Iterator[bytes]:
        yield b"first"
        raise StoreBusyError("taken")

    pieces = ended(broken())
    assert step(pieces) == b"first"
    for kind in (StoreBusyError, StoreError):
        with pytest.raises(kind):
            step(pieces)
    assert [*ended(iter([b"all"]))] == [b"all", None]


def test_cells_are_no_formulas(tmp_path: Path) -> None:
    """What a spreadsheet would run is text in a CSV file; numbers stay numbers."""
    client = PromptLog(tmp_path / "a.duckdb")
    odd = {"=1+1": "=cmd|' /C calc'!A0", "delta": "-1.5", "at": "@SUM(A1)", "plain": "a=b"}
    fill(client, 1)
    client.track.metadata(client.requests.ids()[0], odd)
    browser = TestClient(make_app(client), base_url="http://localhost")
    text = browser.get("/requests/export.csv", params={"c": [f"meta.{key}" for key in odd]}).text
    heads, cells = csv.reader(io.StringIO(text))
    assert heads[1:] == ["'=1+1", "delta", "at", "plain"]
    assert cells[1:] == ["'=cmd|' /C calc'!A0", "-1.5", "'@SUM(A1)", "a=b"]
