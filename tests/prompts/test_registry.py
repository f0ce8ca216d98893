"""`client.templates`: versions, labels, snippets, and what other processes see of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import AsyncPromptLog, PromptLog, col
from promptlog.errors import InvalidInputError, PromptNotFoundError, TemplateError
from promptlog.identifiers import prompt_id
from tests.processes.support import Child, run

CAKE = {
    "type": "chat",
    "messages": [
        {"role": "user", "content": "A {cake_type} cake for {serving_size}.", "template_format": "f-string"}
    ],
}


def publish(client: PromptLog, name: str, text: str, **rest: Any) -> int:
    """Publish a completion and return its version."""
    template = {"type": "completion", "content": text}
    return int(
        client.templates.publish({"prompt_name": name, "prompt_template": template, **rest})["version"]
    )


def text_of(client: PromptLog, name: str, **params: Any) -> str:
    """Return the text of a completion."""
    return str(client.templates.get(name, params)["prompt_template"]["content"][0]["text"])


def test_what_is_published_is_what_is_got(client: PromptLog) -> None:
    """A prompt comes back in PromptLayer's shape, with its variables said."""
    published = client.templates.publish(
        {
            "prompt_name": "cake-recipe",
            "prompt_template": CAKE,
            "commit_message": "first",
            "tags": ["baking"],
            "metadata": {"team": "kitchen"},
            "release_labels": ["prod"],
        }
    )
    assert (published["version_number"], published["prompt_name"], published["release_labels"]) == (
        1,
        "cake-recipe",
        ["prod"],
    )
    assert client.templates.get("cake-recipe") == {
        "id": published["id"],
        "prompt_name": "cake-recipe",
        "version": 1,
        "prompt_template": {
            "type": "chat",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "A {cake_type} cake for {serving_size}."}],
                    "template_format": "f-string",
                    "input_variables": ["cake_type", "serving_size"],
                }
            ],
            "input_variables": ["cake_type", "serving_size"],
        },
        "metadata": {"team": "kitchen"},
        "llm_kwargs": None,
        "commit_message": "first",
        "tags": ["baking"],
        "snippets": [],
        "warning": None,
        "provider_base_url": None,
        "workspace_id": None,
    }
    rendered = client.templates.get(
        "cake-recipe", {"input_variables": {"cake_type": "plum", "serving_size": 8}}
    )
    assert rendered["prompt_template"]["messages"][0]["content"][0]["text"] == "A plum cake for 8."


def test_llm_kwargs_are_the_arguments_of_the_sdk(client: PromptLog) -> None:
    """They are of the provider that is asked for; a prompt of a provider that only another program has is got without."""
    model = {"provider": "theirs", "name": "m", "parameters": {"temperature": 0.2}}
    template = {"type": "completion", "content": "Bake {what}"}
    client.templates.publish({"prompt_name": "p", "prompt_template": template, "metadata": {"model": model}})
    assert client.templates.get("p")["llm_kwargs"] is None
    asked: dict[str, Any] = {"input_variables": {"what": "bread"}, "model": "n"}
    said = [{"role": "user", "content": "Bake bread"}]
    assert client.templates.get("p", {**asked, "provider": "openai"})["llm_kwargs"] == {
        "model": "n", "messages": said, "temperature": 0.2,
    }  # fmt: skip
    assert client.templates.get("p", {**asked, "provider": "anthropic"})["llm_kwargs"] == {
        "model": "n", "messages": said, "max_tokens": 4096, "extra_body": {"temperature": 0.2},
    }  # fmt: skip
    with pytest.raises(InvalidInputError, match="did you mean 'openai'"):
        client.templates.get("p", {"provider": "opnai"})


def test_versions_count_up_and_the_same_again_is_none(client: PromptLog) -> None:
    """New content makes a version, the newest content again makes none, older content again does."""
    assert [publish(client, "p", text) for text in ("a", "b", "b", "a", "a")] == [1, 2, 2, 3, 3]
    assert publish(client, "p", "a", metadata={"changed": "yes"}) == 4
    assert publish(client, "q", "a") == 1
    assert text_of(client, "p", version=2) == "b"
    assert [row["version"] for row in client.templates.versions("p")] == [4, 3, 2, 1]


def test_labels_move(client: PromptLog) -> None:
    """A label is on one version of a prompt: publishing with it, or setting it, takes it off the other."""
    publish(client, "p", "a", release_labels=["prod", "staging"])
    publish(client, "p", "b", release_labels=["staging"])
    assert (
        text_of(client, "p", label="prod"),
        text_of(client, "p", label="staging"),
        text_of(client, "p"),
    ) == ("a", "b", "b")
    assert client.templates.label("p", "prod") == 2
    assert client.templates.label("p", "staging", 1) == 1
    assert [(row["version"], row["release_labels"]) for row in client.templates.versions("p")] == [
        (2, ["prod"]),
        (1, ["staging"]),
    ]
    publish(client, "p", "b", release_labels="staging")
    assert text_of(client, "p", label="staging") == "b"
    client.templates.unlabel("p", "staging")
    with pytest.raises(PromptNotFoundError, match="has no label 'staging'; labels: 'prod'"):
        client.templates.get("p", {"label": "staging"})


def test_all(client: PromptLog) -> None:
    """The list has each prompt once, by name, in pages; with a label, the versions that have it."""
    for name in ("c", "a", "b"):
        publish(client, name, "1", release_labels=["prod"] if name != "b" else [])
    publish(client, "a", "2")
    assert [(row["prompt_name"], row["version"]) for row in client.templates.all()] == [
        ("a", 2),
        ("b", 1),
        ("c", 1),
    ]
    assert [row["prompt_name"] for row in client.templates.all(page=2, per_page=2)] == ["c"]
    assert [(row["prompt_name"], row["version"]) for row in client.templates.all(label="prod")] == [
        ("a", 1),
        ("c", 1),
    ]
    assert client.templates.all(label="nowhere") == []
    assert client.templates.names() == {row["id"]: row["prompt_name"] for row in client.templates.all()}
    publish(client, "d", "1")
    assert set(client.templates.names().values()) == {"a", "b", "c", "d"}


def test_what_is_not_there_is_said_with_the_nearest(client: PromptLog) -> None:
    """The error of an unknown prompt, label or version says what there is."""
    with pytest.raises(PromptNotFoundError, match="no prompt 'cake'; there are no prompts yet"):
        client.templates.get("cake")
    publish(client, "cake-recipe", "x", release_labels=["prod"])
    with pytest.raises(PromptNotFoundError, match=r"no prompt 'cake-recepy'; did you mean 'cake-recipe'\?"):
        client.templates.get("cake-recepy")
    with pytest.raises(PromptNotFoundError, match=r"did you mean 'prod'\?"):
        client.templates.get("cake-recipe", {"label": "prd"})
    with pytest.raises(PromptNotFoundError, match="no version 7; its newest is 1"):
        client.templates.get("cake-recipe", {"version": 7})
    publish(client, "cake-recipe", "y")
    with pytest.raises(PromptNotFoundError, match="the label 'prod' is on version 1, not 2"):
        client.templates.get("cake-recipe", {"version": 2, "label": "prod"})
    with pytest.raises(PromptNotFoundError, match="no version 9"):
        client.templates.label("cake-recipe", "prod", 9)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("text", "what is published must be a dict"),
        ({"prompt_name": "p"}, "publish needs prompt_name and prompt_template"),
        ({"prompt_name": "", "prompt_template": CAKE}, "prompt_name is empty"),
        ({"prompt_name": "a@@@b", "prompt_template": CAKE}, "no '@@@'"),
        ({"prompt_name": "x" * 513, "prompt_template": CAKE}, "up to 512"),
        ({"prompt_name": "p", "prompt_template": CAKE, "label": "prod"}, "publish takes no 'label'"),
        ({"prompt_name": "p", "prompt_template": CAKE, "tags": 3}, "tags must be a list"),
        ({"prompt_name": "p", "prompt_template": CAKE, "release_labels": [3]}, "a label must be a string"),
        (
            {"prompt_name": "p", "prompt_template": CAKE, "metadata": {"model": {"name": 4}}},
            "metadata.model.name",
        ),
        ({"prompt_name": "p", "prompt_template": CAKE, "metadata": {"x": float("nan")}}, "NaN"),
        (
            {"prompt_name": "p", "prompt_template": {"type": "completion", "content": "{"}},
            "prompt 'p', content: ",
        ),
        (
            {"prompt_name": "p", "prompt_template": {"type": "completion", "content": "@@@q@@@"}},
            "no prompt 'q'",
        ),
    ],
)
def test_what_cannot_be_published_changes_nothing(client: PromptLog, body: Any, said: str) -> None:
    """One error names what is wrong, and there is no version."""
    with pytest.raises((InvalidInputError, PromptNotFoundError)) as error:
        client.templates.publish(body)
    assert said in str(error.value)
    assert client.templates.all() == []


# -- snippets ----------------------------------------------------------------------------------------------------------


def test_snippets_stand_in_their_places(client: PromptLog) -> None:
    """`@@@name@@@` is the newest version, `@version_number:` and `@label:` choose; a change is seen at once."""
    publish(client, "tone", "Be kind, {name}.", release_labels=["prod"])
    publish(client, "tone", "Be brief.")
    whole = "1 @@@tone@@@ 2 @@@tone@version_number:1@@@ 3 @@@tone@label:prod@@@"
    publish(client, "p", whole)
    found = client.templates.get("p")
    assert (
        found["prompt_template"]["content"][0]["text"] == "1 Be brief. 2 Be kind, {name}. 3 Be kind, {name}."
    )
    assert found["prompt_template"]["input_variables"] == ["name"]
    assert [(one["version"], one["label"]) for one in found["snippets"]] == [
        (2, None),
        (1, None),
        (1, "prod"),
    ]
    publish(client, "tone", "Be glad.")
    assert text_of(client, "p").startswith("1 Be glad. 2")
    assert client.templates.versions("p")[0]["prompt_template"]["content"][0]["text"] == whole


def test_a_circle_of_snippets_is_named(client: PromptLog) -> None:
    """Prompts that would include each other are refused when the circle would close, and when a label closes it later."""
    publish(client, "a", "A")
    publish(client, "b", "B @@@a@@@")
    publish(client, "c", "C @@@b@@@")
    with pytest.raises(TemplateError, match="prompt 'a' includes itself without an end: a → c → b → a"):
        publish(client, "a", "A @@@c@@@")
    with pytest.raises(TemplateError, match="x → x"):
        publish(client, "x", "@@@x@@@")
    publish(client, "d", "D", release_labels=["prod"])
    publish(client, "e", "E @@@d@label:prod@@@")
    publish(client, "f", "F", release_labels=["prod"])
    publish(client, "d", "D @@@f@@@")
    publish(client, "f", "F @@@e@@@")  # fine still: what is labelled includes nothing
    client.templates.label("d", "prod", 2)
    with pytest.raises(TemplateError, match="f → e → d → f"):
        client.templates.get("f")


def test_what_cannot_be_a_snippet(client: PromptLog) -> None:
    """A chat is none, and neither is a text with variables of the other format; plain text fits in both."""
    client.templates.publish({"prompt_name": "chat", "prompt_template": CAKE})
    with pytest.raises(TemplateError, match="'chat', which is a chat"):
        publish(client, "p", "@@@chat@@@")
    publish(client, "f", "{x}")
    publish(client, "plain", "just words")
    jinja = {"type": "completion", "template_format": "jinja2"}
    with pytest.raises(
        TemplateError, match="of template_format 'jinja2' and includes 'f', which is of 'f-string'"
    ):
        client.templates.publish({"prompt_name": "p", "prompt_template": {**jinja, "content": "@@@f@@@"}})
    client.templates.publish(
        {"prompt_name": "p", "prompt_template": {**jinja, "content": "{{ a }} @@@plain@@@"}}
    )
    assert text_of(client, "p", input_variables={"a": "1"}) == "1 just words"


def test_snippets_of_snippets_end(client: PromptLog) -> None:
    """Each prompt includes the one before it ten times: refused before it fills the memory."""
    publish(client, "p0", "x" * 1000)
    for n in range(1, 4):
        publish(client, f"p{n}", f"@@@p{n - 1}@@@" * 10)
    with pytest.raises(TemplateError, match="with its snippets it has more than 4,000,000 letters"):
        publish(client, "p4", "@@@p3@@@" * 10)


# -- other processes ---------------------------------------------------------------------------------------------------


def test_a_publish_in_another_process_is_seen_at_once(client: PromptLog) -> None:
    """What this process has read of a prompt is old as soon as another has published."""
    assert publish(client, "p", "one", release_labels=["prod"]) == 1
    assert text_of(client, "p") == text_of(client, "p", label="prod") == "one"
    run(
        """
        templates = PromptLog(ARGS[0]).templates
        templates.publish({"prompt_name": "p", "prompt_template": {"type": "completion", "content": "two"}})
        templates.label("p", "prod", 2)
        """,
        client.path,
    )
    assert text_of(client, "p") == text_of(client, "p", label="prod") == "two"


def test_processes_that_publish_at_once_make_each_a_version(client: PromptLog) -> None:
    """Four processes publish ten versions each: forty versions, counted without a gap."""
    body = """
    templates = PromptLog(ARGS[0]).templates
    say("ready"); hear()
    for n in range(10):
        text = f"{ARGS[1]} {n}"
        templates.publish({"prompt_name": "p", "prompt_template": {"type": "completion", "content": text}})
    """
    children = [Child(body, client.path, number) for number in range(4)]
    for child in children:
        child.expect("ready")
    for child in children:
        child.tell()
    for child in children:
        with child:
            child.lines()
    assert [row["version"] for row in client.templates.versions("p")] == list(range(40, 0, -1))


def test_awaited(client: PromptLog) -> None:
    """`AsyncPromptLog.templates` does the same, awaited."""

    async def work() -> str:
        async with AsyncPromptLog(client.path) as log:
            await log.templates.publish({"prompt_name": "p", "prompt_template": CAKE})
            assert len(await log.templates.all()) == 1
            found = await log.templates.get("p")
            return str(found["prompt_name"])

    assert asyncio.run(work()) == "p"


# -- laws --------------------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_text = st.text().map(lambda text: text.replace("{", "{{").replace("}", "}}").replace("@@@", ""))
_block = st.builds(lambda text: {"type": "text", "text": text}, _text)
_message = st.builds(
    lambda role, content, name: {
        "role": role, "content": content, "name": name, "template_format": "f-string", "input_variables": [],
    },
    st.sampled_from(["system", "user", "assistant", "developer"]),
    st.lists(_block, max_size=3),
    st.text(),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    st.text(min_size=1, max_size=40).filter(lambda name: "@@@" not in name),
    st.lists(_message, min_size=1, max_size=3),
    _json,
)
def test_any_prompt_comes_back_as_it_was_published(
    shared: PromptLog, name: str, messages: list[dict[str, Any]], extra: Any
) -> None:
    """Whatever letters a name, texts and metadata have, what was published is what is got, and publishes as no new version."""
    template = {"type": "chat", "messages": messages, "input_variables": []}
    body = {"prompt_name": name, "prompt_template": template, "metadata": {"extra": extra}}
    version = shared.templates.publish(body)["version"]
    found = shared.templates.get(name)
    assert (found["prompt_template"], found["metadata"], found["version"]) == (
        template,
        {"extra": extra},
        version,
    )
    again = {key: found[key] for key in ("prompt_name", "prompt_template", "metadata")}
    assert shared.templates.publish(again)["version"] == version


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> PromptLog:
    """One store for all examples of the law."""
    return PromptLog(tmp_path_factory.mktemp("laws") / "laws.duckdb")


# -- requests that name a prompt by its number alone --------------------------------------------------------------------


def log_number(client: PromptLog, number: int, **rest: Any) -> str:
    """Log a request of a prompt's number, and return its id."""
    logged = client.log_request(
        provider="p", model="m", input="i", output="o", request_start_time=1, request_end_time=2, prompt_id=number, **rest
    )  # fmt: skip
    return str(logged["request_id"])


@pytest.mark.parametrize("published", ["before", "between", "after"])
def test_a_prompt_of_which_the_number_is_told_has_its_name(client: PromptLog, published: str) -> None:
    """Whichever comes last, the merge or the prompt; a name that was told stays, and of others' numbers there is none."""
    number = prompt_id("cake")
    if published == "before":
        publish(client, "cake", "A cake.")
    ids = [log_number(client, number), log_number(client, 132), log_number(client, number, prompt_name="pie")]
    if published == "between":
        publish(client, "cake", "A cake.")  # nothing is merged yet
    else:
        client.merge()
        publish(client, "cake", "Another cake.")
    requests = [client.requests.get(id) for id in ids]
    assert [(one.prompt_name, one.prompt_id) for one in requests] == [
        ("cake", str(number)),
        (None, "132"),
        ("pie", str(number)),
    ]
    assert client.requests.filter(col.prompt_name == "cake").count() == 1
