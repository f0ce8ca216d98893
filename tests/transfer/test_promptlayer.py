"""What PromptLayer's API returns, read: each shape, several of one request, and again."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, foreign_request_id
from promptlog.errors import InvalidInputError
from promptlog.transfer.known import count_known
from promptlog.transfer.promptlayer import Imported, import_promptlayer

if TYPE_CHECKING:
    from pathlib import Path

TEXT = {"type": "text", "text": "Hi"}
PAGE = {
    "success": True,
    "items": [
        {
            "id": 132, "engine": "gpt-4o", "provider_type": "openai", "input_tokens": 3, "output_tokens": 4, "price": 0.5,
            "request_start_time": "2026-01-01T00:00:00", "request_end_time": "2026-01-01T00:00:01.500000", "latency": 1.5,
            "tags_array": ["prod"], "metadata": [{"user_id": "u1"}, {"n": 3}],
            "scores": [{"name": "default", "score": 95}, {"name": "tone", "score": 40}], "prompt_name": "cake",
        }
    ],
    "page": 1,
}  # fmt: skip
REQUEST = {
    "success": True, "request_id": 132, "provider": "openai", "model": "gpt-4o", "request_start_time": "2026-01-01T00:00:00",
    "request_end_time": "2026-01-01T00:00:01.500000", "latency_ms": 1500, "trace_id": None,
    "prompt_blueprint": {
        "prompt_template": {
            "type": "chat",
            "messages": [{"role": "user", "content": [TEXT]}, {"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}],
        },
        "metadata": {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.5}}},
    },
}  # fmt: skip
ANSWER = {
    "id": 7, "provider_type": "openai", "engine": "gpt-4o", "request_start_time": "2026-01-01T00:00:00",
    "request_end_time": "2026-01-01T00:00:01", "score": 0, "price": 0.1, "input_tokens": 1, "output_tokens": 2, "metadata": [],
    "function_kwargs": {"input": {"type": "chat", "messages": [{"role": "user", "content": [TEXT]}]}, "parameters": {"top_p": 1}},
    "request_response": {"output": {"type": "chat", "messages": [{"role": "assistant", "content": [TEXT]}]}}, "tags_array": [],
}  # fmt: skip
SENT = {
    "provider": "openai", "model": "gpt-4o", "input": "Hi", "output": "Ho", "request_start_time": 1_767_225_600,
    "request_end_time": 1_767_225_601, "metadata": {"a": "b"}, "tags": ["t"], "score": 50,
}  # fmt: skip


def written(folder: Path, *documents: Any) -> list[Path]:
    """Return files that hold a document each."""
    paths = [folder / f"{number}.json" for number in range(len(documents))]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document, indent=2))
    return paths


def loaded(client: PromptLog, files: list[Path]) -> Imported:
    """Import files into a store."""
    return import_promptlayer(
        files, client._append_lines, client.templates.restore, partial(count_known, client.requests)
    )


def test_a_page_and_the_request_itself_are_one(client: PromptLog, tmp_path: Path) -> None:
    """The page has metadata, tags and scores, the request its content, whichever comes first."""
    for order, known in (((PAGE, REQUEST), 0), ((REQUEST, PAGE), 1)):
        assert loaded(client, written(tmp_path, *order))[:2] == (1, known)
        (kept,) = client.requests
        assert kept.request_id == foreign_request_id("promptlayer", 132)
        assert kept.metadata == {"user_id": "u1", "n": "3", "source_id": "132"}
        assert (kept.tags, kept.scores) == (["prod"], {"default": 95, "tone": 40})
        assert (kept.input_text, kept.output_text, kept.parameters) == ("Hi", "Ho", {"temperature": 0.5})
        assert (kept.latency_ms, kept.cost_usd, kept.input_tokens, kept.prompt_name) == (1500, 0.5, 3, "cake")


def test_bodies_of_log_request(client: PromptLog, tmp_path: Path) -> None:
    """As they were answered, under their number; as they were sent, under what they hold. JSON Lines too."""
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join([json.dumps(ANSWER), "", json.dumps(SENT)]))
    assert loaded(client, [path]).requests == 2
    answered = client.requests.get(foreign_request_id("promptlayer", 7))
    assert (answered.input_text, answered.output_text, answered.scores) == ("Hi", "Hi", {})
    sent = client.search("score:50").first()
    assert sent is not None
    assert (sent.metadata["a"], sent.tags) == ("b", ["t"])


def test_again_changes_nothing_and_undoes_nothing(client: PromptLog, tmp_path: Path) -> None:
    """What was tracked here since stays."""
    files = written(tmp_path, PAGE, REQUEST, SENT)
    for _ in range(2):
        loaded(client, files)
        client.track.metadata(foreign_request_id("promptlayer", 132), {"user_id": "mine"})
        assert client.requests.count() == 2
    loaded(client, files)
    assert client.requests.get(foreign_request_id("promptlayer", 132)).metadata["user_id"] == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "no request_start_time"),
        ('{"id": 1,\n', "line 1 of"),
        ('{"id": 1, "request_start_time": "soon"}', "request 1: request_start_time 'soon'"),
        ("[[]]", None),
    ],
    ids=["other", "torn", "time", "empty"],
)
def test_what_is_no_request_is_named(client: PromptLog, tmp_path: Path, text: str, said: str | None) -> None:
    """Nothing is written, of the files before neither."""
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    if said is None:
        assert loaded(client, [bad]).requests == 0
        return
    with pytest.raises(InvalidInputError, match=said):
        loaded(client, [*written(tmp_path, PAGE), bad])
    assert client.requests.count() == 0
