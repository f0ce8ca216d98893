"""Chat and completion templates: what is read, rendered, and said where something is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlog.errors import TemplateError
from promptlog.prompts.template import Template


def chat(*contents: Any, **rest: Any) -> dict[str, Any]:
    """Return a chat template of user messages in Jinja2."""
    messages = [{"role": "user", "content": content, "template_format": "jinja2"} for content in contents]
    return {"type": "chat", "messages": messages, **rest}


def texts(rendered: dict[str, Any]) -> list[str]:
    """Return the texts of a rendered chat."""
    return [block["text"] for message in rendered["messages"] for block in message["content"]]


def test_a_chat_in_both_formats() -> None:
    """Each message has a format of its own, "f-string" unless told, and what is rendered has neither braces nor format."""
    template = Template(
        {
            "type": "chat",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "You bake. {{ literally }}"}]},
                {
                    "role": "user",
                    "content": "A {{ cake_type }} cake for {{ n + 1 }}",
                    "template_format": "jinja2",
                },
                {"role": "assistant", "content": "For {n}: {price:.2f} EUR, {nothing}{cake_type!r}"},
            ],
            "tools": [{"type": "function", "function": {"name": "oven", "parameters": {"a": "{b}"}}}],
            "tool_choice": "auto",
        },
        "cake",
    )
    assert template.names == ["cake_type", "n", "price", "nothing"]
    assert template.render({"cake_type": "plum", "n": 7, "price": 2.5, "nothing": None}) == {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "You bake. { literally }"}]},
            {"role": "user", "content": [{"type": "text", "text": "A plum cake for 8"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "For 7: 2.50 EUR, 'plum'"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "oven", "parameters": {"a": "{b}"}}}],
        "tool_choice": "auto",
    }


def test_a_completion() -> None:
    """A completion is one text, or blocks of it."""
    template = Template({"type": "completion", "content": "Bake {what}", "template_format": "f-string"}, "c")
    assert template.render({"what": "it"}) == {
        "type": "completion",
        "content": [{"type": "text", "text": "Bake it"}],
    }


def test_messages_media_and_tools_come_as_variables() -> None:
    """A placeholder takes messages, a media variable URLs or blocks, a tool variable tools; what is no text stays."""
    image = {"type": "image_url", "image_url": {"url": "data:{not a variable}"}}
    template = Template(
        {
            "type": "chat",
            "messages": [
                {"role": "placeholder", "name": "history"},
                {"role": "user", "content": [image, {"type": "media_variable", "name": "photos"}]},
            ],
            "tools": [{"type": "variable", "name": "tools"}],
        },
        "p",
    )
    tool = {"type": "function", "function": {"name": "oven"}}
    assert template.names == ["history", "photos", "tools"]
    assert template.render(
        {
            "history": [{"role": "user", "content": "Hi"}],
            "photos": ["https://a/b.png", image],
            "tools": [tool],
        }
    ) == {
        "type": "chat",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {
                "role": "user",
                "content": [image, {"type": "image_url", "image_url": {"url": "https://a/b.png"}}, image],
            },
        ],
        "tools": [tool],
    }


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "the variable 'cake_type' is not given (nor 'size'); input_variables has none"),
        ({"cake-type": "x", "size": 1}, "is not given; is it what you call 'cake-type'?"),
        ({"cake_type": "x"}, "the variable 'size' is not given; input_variables has cake_type"),
    ],
)
def test_a_missing_variable_is_named(variables: dict[str, Any], said: str) -> None:
    """The error names the variable, the others that are missing, and the one that it may have been taken for."""
    for template_format, text in (
        ("jinja2", "{{ cake_type }} {{ size }}"),
        ("f-string", "{cake_type} {size}"),
    ):
        template = Template(
            {"type": "completion", "content": text, "template_format": template_format}, "cake"
        )
        with pytest.raises(TemplateError) as error:
            template.render(variables)
        assert said in str(error.value)


def test_a_variable_may_be_optional() -> None:
    """Jinja2's own ways to ask for a variable work where it is not given, and only these."""
    template = Template(chat("{% if mood %}Be {{ mood }}.{% endif %}{{ size | default('big') }}"), "p")
    assert texts(template.render({})) == ["big"]
    assert texts(template.render({"mood": "glad", "size": "small"})) == ["Be glad.small"]
    for text in (
        "{% for x in mood %}{% endfor %}",
        "{{ mood == 'glad' }}",
        "{{ mood.deep }}",
        "{{ mood ~ '' }}",
    ):
        with pytest.raises(TemplateError, match="the variable 'mood' is not given"):
            Template(chat(text), "p").render({})
    with pytest.raises(TemplateError, match=r"message 0 \(user\): 'dict object' has no attribute 'deep'"):
        Template(chat("{{ mood.deep }}"), "p").render({"mood": {}})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "prompt 'p': prompt_template must be"),
        ({"type": "poem"}, "prompt_template must be"),
        ({"type": "chat", "messages": []}, "at least one"),
        ({"type": "chat", "messages": ["hi"]}, "message 0: a message is a dict whose role"),
        ({"type": "chat", "messages": [{"role": "boss", "content": "x"}]}, "role is one of"),
        (
            {"type": "chat", "messages": [{"role": "user", "content": 3}]},
            "message 0 (user): content is a text",
        ),
        ({"type": "chat", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "has no text"),
        ({"type": "chat", "messages": [{"role": "placeholder"}]}, "a placeholder has a name"),
        ({"type": "completion", "content": "x", "template_format": "mustache"}, "template_format is one of"),
        (chat("fine", "{% if %}"), "message 1 (user): line 1: "),
        (chat("{{ x | shout }}"), "No filter named 'shout'"),
        (chat("{{ " + "(" * 5000 + " }}"), "nests too deeply"),
        (chat("x", tools="oven"), "tools is a list of dicts"),
    ],
)
def test_what_is_no_template_is_refused_with_its_place(template: Any, said: str) -> None:
    """One error names the prompt, the message and what is wrong, when it is read."""
    with pytest.raises(TemplateError) as error:
        Template(template, "p")
    assert said in str(error.value)


def test_wrong_kinds_of_variables() -> None:
    """Where messages or tools are wanted, or a number for a format, the error says what came."""
    placeholder = {"type": "chat", "messages": [{"role": "placeholder", "name": "history"}]}
    for history, said in (
        ("hi", "list of messages, got str"),
        ([{"content": "x"}], "a message without a role"),
    ):
        with pytest.raises(TemplateError, match=said):
            Template(placeholder, "p").render({"history": history})
    with pytest.raises(TemplateError, match=r"the variable 'n', a str, does not take the format '\.2f'"):
        Template({"type": "completion", "content": "{n:.2f}"}, "p").render({"n": "x"})


@given(st.text())
def test_plain_text_is_what_it_is(text: str) -> None:
    """A text whose braces are doubled, in an f-string, comes out as it was, whatever its letters."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    rendered = Template({"type": "completion", "content": doubled}, "p").render({})
    assert rendered["content"][0]["text"] == text


@given(st.text(), st.text())
def test_a_value_goes_in_as_it_is(before: str, value: str) -> None:
    """A value is put in letter for letter: braces and tags in it mean nothing, whatever stands around."""
    around = before.replace("{", "").replace("}", "").replace("\r", "")
    assert texts(Template(chat(around + "{{ x }}!"), "p").render({"x": value}))[0] == around + value + "!"
    completion = {"type": "completion", "content": around + "{x}!"}
    assert Template(completion, "p").render({"x": value})["content"][0]["text"] == around + value + "!"


@given(st.lists(st.tuples(st.text("ab {}%\n"), st.sampled_from("xy")), max_size=4), st.data())
def test_the_short_way_is_the_same_way(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    """A template of but text and variables, which takes a short cut, gives what Jinja2 gives."""
    values = (
        st.text()
        | st.integers()
        | st.floats()
        | st.booleans()
        | st.none()
        | st.lists(st.integers(), max_size=2)
    )
    variables = {name: data.draw(values) for name in "xy"}
    text = "".join(before.replace("{", "").replace("%", "") + "{{ " + name + " }}" for before, name in parts)
    with_more = text + "{{ '' }}"
    assert texts(Template(chat(text), "p").render(variables)) == texts(
        Template(chat(with_more), "p").render(variables)
    )


def test_jinja_in_an_f_string_is_pointed_at() -> None:
    """The default format is PromptLayer's, and has other braces: who writes `{{ name }}` there is told."""
    given = {"type": "completion", "content": "A {{ cake }} for {n}"}
    template = Template(given, "p")
    assert template.warning({"n": 8}) is None
    said = "prompt 'p' names no variable 'cake'; ignored. Of an f-string, '{{ cake }}' is text in braces: is its template_format 'jinja2'?"
    assert template.warning({"n": 8, "cake": "plum"}) == said
    assert Template({**given, "template_format": "jinja2"}, "p").warning({"cake": "plum"}) is None
    assert template.warning({"n": 8, "c*": 1}) == "prompt 'p' names no variable 'c*'; ignored"
