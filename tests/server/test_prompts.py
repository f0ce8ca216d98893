"""PromptLayer's prompt registry by REST: what its SDK does not call, and other programs do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.prompts.templates import Templates
from promptlog.server.app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator


def completion(text: str) -> dict[str, Any]:
    return {"type": "completion", "content": [{"type": "text", "text": text}]}


CHAT = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "@@@rules@@@"}]},
        {"role": "user", "content": [{"type": "text", "text": "A {cake} cake"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "oven"}}],
}
MODEL = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.5, "top_p": 1}}


@pytest.fixture
def server(tmp_path: Any) -> Iterator[TestClient]:
    """A server with a snippet in two versions, and a prompt that includes it."""
    client = PromptLog(tmp_path / "a.duckdb")
    publish = client.templates.publish
    publish({"prompt_name": "rules", "prompt_template": completion("Bake."), "release_labels": ["old"]})
    publish({"prompt_name": "rules", "prompt_template": completion("Bake well.")})
    publish(
        {"prompt_name": "kitchen/cake", "prompt_template": CHAT, "metadata": {"model": MODEL}, "tags": ["kitchen", "sweet"],
         "release_labels": ["prod"], "commit_message": "first"}
    )  # fmt: skip
    with TestClient(make_app(client), base_url="http://localhost") as browser:
        yield browser


def the_id(server: TestClient, name: str) -> int:
    found: int = server.get(f"/prompt-templates/{name}").json()["id"]
    return found


def test_a_prompt_as_it_was_published(server: TestClient) -> None:
    """By name, with its slash or with %2F, or by number; snippets in their places unless told, arguments where asked for."""
    got = server.get("/prompt-templates/kitchen/cake").json()
    assert got["prompt_template"]["messages"][0]["content"][0]["text"] == "Bake well."
    assert got["snippets"] == [{"prompt_name": "rules", "version": 2, "label": None}]
    assert (got["success"], got["version"], got["commit_message"], got["tags"]) == (True, 1, "first", ["kitchen", "sweet"])  # fmt: skip
    assert "llm_kwargs" not in got
    assert got["created_at"].endswith("Z")
    for path in (f"/prompt-templates/{got['id']}", "/prompt-templates/kitchen%2Fcake"):
        assert server.get(path).json() == got
    raw = server.get("/prompt-templates/kitchen/cake", params={"resolve_snippets": "false"}).json()
    assert raw["prompt_template"]["messages"][0]["content"][0]["text"] == "@@@rules@@@"
    full = server.get("/prompt-templates/kitchen/cake", params={"include_llm_kwargs": "true"}).json()
    assert full["llm_kwargs"]["temperature"] == 0.5
    assert server.post(f"/prompt-templates/{got['id']}", json={}).json()["prompt_name"] == "kitchen/cake"
    for content in (b"", b"null"):  # as PromptLayer's SDK for JavaScript sends it
        asked = server.post("/prompt-templates/rules", content=content)
        assert (asked.status_code, asked.json()["version"]) == (200, 2)
    assert server.get("/prompt-templates/kitchen/cake", params={"resolve_snippets": "no"}).status_code == 400
    assert server.get("/prompt-templates/12345").status_code == 404


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["kitchen/cake", "rules"]),
        ({"sort_by": "name", "sort_order": "desc"}, ["rules", "kitchen/cake"]),
        ({"name": "KITCH"}, ["kitchen/cake"]),
        ({"tags": ["sweet", "kitchen"]}, ["kitchen/cake"]),
        ({"tags": ["sweet", "sour"]}, []),
        ({"is_snippet": "true"}, ["rules"]),
        ({"is_snippet": "false"}, ["kitchen/cake"]),
        ({"status": "deleted"}, []),
        ({"created_after": "2099-01-01"}, []),
        ({"updated_before": "2099-01-01"}, ["kitchen/cake", "rules"]),
        ({"label": "old"}, ["rules"]),
        ({"per_page": 1, "page": 2}, ["rules"]),
    ],
    ids=str,
)
def test_the_list(server: TestClient, query: dict[str, Any], names: list[str]) -> None:
    """The newest prompts first, unless sorted otherwise; filters narrow it."""
    found = server.get("/prompt-templates", params=query).json()
    assert [one["prompt_name"] for one in found["items"]] == names
    assert found["total"] == (2 if "page" in query else len(names))
    assert all(one["external_ids"] == [] for one in found["items"])


@pytest.mark.parametrize(
    "query",
    [{"sort_by": "colour"}, {"sort_order": "up"}, {"status": "x"}, {"created_by_email": "a@b"}],
    ids=str,
)
def test_what_a_list_cannot_be_asked(server: TestClient, query: dict[str, str]) -> None:
    """400, by name."""
    refused = server.get("/prompt-templates", params=query)
    assert refused.status_code == 400
    assert next(iter(query)) in refused.json()["message"]


def test_labels(server: TestClient) -> None:
    """Listed, put on, moved by their number, taken off."""
    rules = the_id(server, "rules")
    (old,) = server.get("/prompt-templates/rules/labels").json()["release_labels"]
    assert (old["release_label"], old["prompt_version_number"]) == ("old", 1)
    made = server.post(f"/prompts/{rules}/label", json={"prompt_version_number": 1, "name": "prod"})
    assert made.status_code == 200
    assert made.json().items() >= {"name": "prod", "prompt_id": rules, "prompt_version_id": 1}.items()
    number = made.json()["id"]
    moved = server.patch(f"/prompt-labels/{number}", json={"prompt_version_number": 2}).json()
    assert (moved["id"], moved["prompt_version_id"]) == (number, 2)
    listed = server.get(f"/prompt-templates/{rules}/labels").json()["release_labels"]
    assert {one["release_label"]: one["prompt_version_number"] for one in listed} == {"old": 1, "prod": 2}
    assert server.delete(f"/prompt-labels/{number}").status_code == 204
    assert server.delete(f"/prompt-labels/{number}").status_code == 404
    assert server.patch(f"/prompt-labels/{old['release_label_id']}", json={"prompt_version_number": 9}).status_code == 404  # fmt: skip
    assert server.post("/prompts/1/label", json={"prompt_version_number": 1, "name": "a"}).status_code == 404
    assert server.get("/prompt-templates/nowhere/labels").status_code == 404
    # A prompt may be named like that door: its slash is then written %2F, as PromptLayer's SDK writes it.
    server.post("/rest/prompt-templates", json={"prompt_name": "mail/labels", "prompt_template": completion("Mail")})  # fmt: skip
    assert server.get("/prompt-templates/mail%2Flabels").json()["prompt_name"] == "mail/labels"


def test_a_label_that_another_takes_off_at_once(server: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between putting it on and telling when that was; nobody knows any more."""
    put = Templates.label

    def put_and_lost(self: Templates, name: str, label: str, version: int | None = None) -> int:
        found = put(self, name, label, version)
        self.unlabel(name, label)
        return found

    monkeypatch.setattr(Templates, "label", put_and_lost)
    rules = the_id(server, "rules")
    told = server.post(f"/prompts/{rules}/label", json={"prompt_version_number": 1, "name": "brief"})
    assert (told.status_code, told.json()["name"], told.json()["created_at"]) == (200, "brief", None)


def test_where_a_snippet_is_used(server: TestClient) -> None:
    """Which versions include it, and which labels stand on those; by the version that is meant, where asked for."""
    cake = the_id(server, "kitchen/cake")
    used = server.get("/prompt-templates/rules/snippet-usage").json()
    assert used["snippet_usage"] == [
        {"prompt_registry_id": cake, "prompt_name": "kitchen/cake", "version_numbers": [1]}
    ]
    assert used["label_usage"] == [
        {"prompt_registry_id": cake, "prompt_name": "kitchen/cake", "label_name": "prod"}
    ]
    totals = {
        version: server.get(
            "/prompt-templates/rules/snippet-usage", params={"prompt_version_number": version}
        ).json()["total_prompts_using_snippet"]
        for version in (1, 2)
    }
    assert totals == {1: 0, 2: 1}
    assert server.get("/prompt-templates/kitchen/cake/snippet-usage").json()["snippet_usage"] == []


def test_a_patch_makes_a_version(server: TestClient) -> None:
    """Places of a list are replaced, parameters added; what is not said stays, snippets as references."""
    change = {
        "label": "prod", "messages": {"1": {"role": "user", "content": "A {cake} pie"}}, "tools": None,
        "model_parameters": {"temperature": 0}, "response_format": {"type": "json_object"}, "commit_message": "pies",
        "release_labels": ["prod"],
    }  # fmt: skip
    made = server.patch("/rest/prompt-templates/kitchen%2Fcake", json=change)
    assert made.status_code == 201
    assert (made.json()["version_number"], made.json()["release_labels"]) == (2, ["prod"])
    raw = server.get(
        "/prompt-templates/kitchen/cake", params={"resolve_snippets": "false", "label": "prod"}
    ).json()
    texts = [one["content"][0]["text"] for one in raw["prompt_template"]["messages"]]
    assert texts == ["@@@rules@@@", "A {cake} pie"]
    assert "tools" not in raw["prompt_template"]
    parameters = {"temperature": 0, "top_p": 1, "response_format": {"type": "json_object"}}
    assert raw["metadata"]["model"] == MODEL | {"parameters": parameters}
    assert (raw["tags"], raw["commit_message"]) == (["kitchen", "sweet"], "pies")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"version": 1, "label": "prod"}, 400, "exclude each other"),
        ({"messages": {"7": {}}}, 400, "there is no place '7'"),
        ({"content": []}, 400, "is a chat"),
        ({"model_parameters": {"response_format": 1}, "response_format": {}}, 400, "not both"),
        ({"version": 9}, 404, "no version 9"),
        ({"label": "none"}, 404, "none"),
        ({"model_parameters": 3}, 422, "an object"),
        ({"mesages": []}, 422, "did you mean 'messages'"),
        ({"messages": [{"role": "nobody"}]}, 422, "message 0"),
    ],
    ids=str,
)
def test_what_cannot_be_patched(server: TestClient, change: dict[str, Any], status: int, said: str) -> None:
    """The reason is said, and no version made."""
    refused = server.patch("/rest/prompt-templates/kitchen/cake", json=change)
    assert refused.status_code == status
    assert said in refused.json()["message"]
    assert server.get("/prompt-templates/kitchen/cake").json()["version"] == 1


def test_ids_of_other_systems_are_not_lost_silently(server: TestClient) -> None:
    """They are refused by name."""
    body = {
        "prompt_template": {"prompt_name": "a"}, "prompt_version": {"prompt_template": completion("x")},
        "external_ids": [{"source": "git", "external_id": "1"}],
    }  # fmt: skip
    assert server.post("/rest/prompt-templates", json=body).status_code == 422
    made = server.post("/rest/prompt-templates", json=body | {"external_ids": []})
    assert (made.status_code, made.json()["external_ids"]) == (201, [])
