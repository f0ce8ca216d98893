"""What notebooks show: whole pages of HTML that hold what is stored as text, and never fail."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, col, meta, tag
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

_BAD = "<script>alert('x')</script>\"'&\x1b[31m\u202e</td></div><!--"
_VOID = {"br"}


class _Page(HTMLParser):
    """Reads HTML, and holds that every tag is closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"class", "style", "width", "height", "viewbox", "d", "fill"}
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def read(shown: Any) -> _Page:
    """Return what a notebook shows of an object."""
    html = shown._repr_html_()
    assert len(html) < 50_000
    assert "http" not in html
    return _Page(html)


def _log(client: PromptLog, bad: str, start: float) -> str:
    id = client.log_request(
        **request(
            provider=bad,
            model=bad,
            input=[
                {"role": bad, "name": bad, "content": bad},
                {"role": "user", "content": [{"type": bad, "x": bad}]},
            ],
            output=[
                {
                    "role": "assistant",
                    "content": bad,
                    "tool_calls": [{"function": {"name": bad, "arguments": bad}}],
                }
            ],
            parameters={bad: bad},
            metadata={bad: bad, "session_id": bad, "user_id": bad},
            tags=[bad],
            score=1,
            score_name=bad,
            prompt_name=bad,
            prompt_input_variables={bad: bad},
            error_type=bad,
            error_message=bad,
            request_start_time=start,
            request_end_time=start + 1,
            price=0.5,
        )
    )["request_id"]
    return str(id)


def test_stored_text_stays_text(client: PromptLog) -> None:
    """A script in every place where text may stand runs in none."""
    ids = [_log(client, _BAD, START + number * 60) for number in range(3)]
    found = client.analytics()
    every = client.requests.with_metadata().with_tags().with_scores()
    shown = [
        client,
        client.requests.filter(meta(_BAD) == _BAD, tag(_BAD), col.model == _BAD),
        every,
        client.requests.select("model", "input", "output", "error_message")
        .with_metadata(_BAD)
        .with_scores(_BAD),
        client.requests.get(ids[0]),
        client.metadata.keys(),
        client.metadata.values(_BAD, prefix="<"),
        client.sessions(by=[_BAD, "session_id"]),
        client.sql("SELECT model, input, ? AS bad FROM requests", [_BAD]),
        client.sql("SELECT * FROM nothing WHERE x = '<script>'"),
        found,
        found.by_model,
        found.cost_by_metadata,
    ]
    for one in shown:
        page = read(one)
        assert "script" not in page.tags
        assert "<script>" in page.text or one is every
        assert not {"\x1b", "\u202e"} & set(page.text)


def test_a_client_says_where_and_how_much(client: PromptLog) -> None:
    """And how to begin; looking at it makes no store."""
    page = read(client)
    assert str(client.path) in page.text
    assert "client.log_request(" in page.text
    assert not client.path.exists()
    client.log_request(**request(metadata={"user_id": "u1"}))
    page = read(client)
    assert "1 request" in page.text
    assert 'meta("user_id")' in page.text


def test_a_question_shows_its_words_its_total_and_the_first(client: PromptLog) -> None:
    """Ten rows, whatever there is."""
    client.log_many([request(request_start_time=START + n, request_end_time=START + n) for n in range(25)])
    page = read(client.requests.filter(col.model == "gpt-4o").sort("latency_ms").limit(20))
    for part in (
        "gpt-4o",
        "by latency_ms",
        "limited to 20",
        "20 rows, the first 10 shown",
        "How do I bake a cake?",
    ):
        assert part in page.text
    assert "25 rows, the first 10 shown" in read(client.requests).text
    assert "0 rows" in read(client.requests.filter(col.model == "x")).text
    assert "the first 10 rows" in read(client.sql("SELECT * FROM requests")).text
    assert "1 row" in read(client.sql("SELECT now() AS moment")).text
    assert "explain_value" in read(client.sql("EXPLAIN SELECT 1")).text


def test_a_request_shows_who_said_what(client: PromptLog) -> None:
    """Numbers, what was tracked, and the conversation; what is huge is cut."""
    id = client.log_request(
        **request(input=[{"role": "system", "content": "be terse"}, {"role": "user", "content": "x" * 9000}],
                  metadata={"plan": "pro"}, score=88, tags=["a"], price=0.25, input_tokens=5, output_tokens=7)
    )["request_id"]  # fmt: skip
    page = read(client.requests.get(str(id)))
    for part in (
        "system",
        "be terse",
        "With flour.",
        "plan",
        "pro",
        "88",
        "$0.2500",
        "5→7",
        "500 ms",
        "(9,000 characters)",
    ):
        assert part in page.text


def test_analytics_draws(client: PromptLog) -> None:
    """Totals, the course of time, and tables; nothing where nothing is."""
    assert "no request" in read(client.analytics()).text
    for hour in range(5):
        client.log_request(
            **request(
                request_start_time=START + hour * 3600, request_end_time=START + hour * 3600 + 1, price=hour
            )
        )
    page = read(client.analytics(every="1h"))
    assert "path" in page.tags
    assert "5" in page.text
    assert "$10.00" in page.text
    assert "5 rows" in read(client.analytics(every="1h").over_time).text


def test_a_busy_store_is_said_and_not_raised(tmp_path: Path) -> None:
    """A cell that shows something does not fail for that."""
    path = tmp_path / "busy.duckdb"
    PromptLog(path).log_request(**request())
    held = (
        "import sys, time; from promptlog import PromptLog\n"
        "store = PromptLog(sys.argv[1])._store\n"
        "with store.lease('testing'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", held, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        client = PromptLog(path, busy_timeout=0.2)
        for shown in (client, client.requests, client.metadata.keys(), client.sessions()):
            text = read(shown).text
            assert "StoreBusyError" in text
            assert str(holder.pid) in text
        holder.kill()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """Likewise."""
    tmp_path.chmod(0o500)
    assert "StoreUnwritableError" in read(PromptLog(tmp_path / "a.duckdb").requests).text


def test_jupyter_takes_it(client: PromptLog) -> None:
    """IPython's own formatter finds what it looks for, and a plain session shows one short line."""
    formatters = pytest.importorskip("IPython.core.formatters")
    client.log_request(**request())
    found = client.analytics()
    for shown in (
        client,
        client.requests,
        client.requests.first(),
        client.metadata.keys(),
        found,
        found.by_model,
    ):
        assert formatters.HTMLFormatter()(shown).startswith("<style>")
    for short in (
        client,
        client.requests,
        client.metadata,
        client.metadata.keys(),
        client.sessions(),
        found.by_model,
    ):
        assert len(repr(short)) < 300
        assert "\n" not in repr(short)
