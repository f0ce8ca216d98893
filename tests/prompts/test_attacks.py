"""Templates that mean harm: they reach nothing, they end, and they say why."""

from __future__ import annotations

import re
from typing import Any

import pytest

from promptlog.errors import TemplateError
from promptlog.prompts.template import Template

REACHING = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ '' | attr('__class__') }}",
    "{% if ''.__class__.__mro__ %}hidden{% endif %}",
    "{{ self.__init__.__globals__ }}",
    "{{ range.__class__ }}",
    "{{ dict.mro() }}",
    "{{ items | map(attribute='__class__') | list }}",
    "{{ items | map('attr', '__class__') | list }}",
    "{{ items | groupby('__class__') }}",
    "{{ items | sort(attribute='__class__') }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ items.append(1) }}",
    "{{ thing.secret() }}",
    "{{ function(1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'base' %}",
]

LISTS = "{% set a = range(99999) | list %}{% set b = range(99999) | list %}"

ENDLESS = [
    "{{ (' ' * 200000)|wordwrap(1) }}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(10 ** 9) %}{% endfor %}",
    "{% for a in [1] recursive %}{{ loop(range(100000)) }}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% set a = [0] %}{% set b = [0] %}" + "{% set a = [a, a] %}{% set b = [b, b] %}" * 60 + "{{ a == b }}",
    "{{ 2 ** (10 ** 9) }}",
    "{% for a in [1] recursive %}{% if loop.first and loop.depth < 30 %}{{ loop(iterable=range(99999)) }}{% endif %}{% endfor %}",
    f"{LISTS}{{% for i in range(99999) %}}{{% if a == b %}}{{% endif %}}{{% endfor %}}",
    f"{LISTS}{{% for i in range(99999) %}}{{% if -1 in a %}}{{% endif %}}{{% endfor %}}",
    f"{LISTS}{{{{ a | select('in', b) | list }}}}",
    "{% set s = 'x ' * 1900000 %}{% for i in range(90000) %}{% if s | wordcount %}{% endif %}{% endfor %}",
]

HUGE = [
    "{{ 'x' * 10 ** 10 }}",
    "{{ [0] * 10 ** 10 }}",
    "{% set s = 'x' * 1000 %}" + "{% set s = s ~ s %}" * 40 + "{{ s }}",
    "{% set s = 'x' * 1000 %}" + "{% set s = s + s %}" * 40 + "{{ s }}",
    "{% set s = 'x' * 4000000 %}{% set l = [" + "s, " * 2000 + "] %}{{ l }}",
    "{% set s = 'x' * 4000000 %}{% macro f() %}" + "{{ s }}" * 2000 + "{% endmacro %}{{ f() }}",
    "{% macro f() %}{% for i in range(90000) %}" + "x" * 100_000 + "{% endfor %}{% endmacro %}{{ f() }}",
    "{{ 'x' | center(10 ** 9) }}",
    "{{ 'x' | indent(10 ** 9) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ ('%(a)s' * 10000) % {'a': 'x' * 1000000} }}",
    "{{ range(100000) | join('x' * 100000) }}",
    "{{ ('x' * 100000).join(range(100000) | map('string')) }}",
    "{{ ('x' * 100000).replace('', 'y' * 1000) }}",
    "{{ 'a' | batch(100000, 'x' * 1000000) | list | string }}",
    "{{ range(100000) | map('center', 100000) | list }}",
    "{% set l = {} %}" + "{% set l = {'a': l, 'b': l} %}" * 60 + "{{ l | tojson }}",
    "{% set l = {} %}" + "{% set l = {'a': l.items(), 'b': l.items()} %}" * 60 + "{{ l }}",
    "{% set l = 1 %}" + "{% set l = {'a': l}.values() %}{% set l = [l, l] %}" * 60 + "{{ l }}",
    "{% set s = 'x' * 4000000 %}{% for i in range(90000) %}{% set t = s[1:] %}{% endfor %}",
    "{{ a }}" * 10_001,
]

# What shows a namespace shows all that is in it, and nothing counts that.
NESTED = "{% set a = namespace(x=1) %}" + "{% set a = namespace(x=a, y=a) %}" * 60
NAMESPACES = [
    "{{ a }}",
    "{{ a | string }}",
    "{{ a ~ 'x' }}",
    "{{ 'x' | replace('x', a) }}",
    "{{ '%s' % a }}",
    "{{ '%s' | format(a) }}",
    "{{ [a] }}",
    "{{ {'a': a} | tojson }}",
]


class Thing:
    """Somebody's object among the variables."""

    name = "cake"

    def secret(self) -> str:
        return "deleted everything"


def render(text: str, **variables: Any) -> str:
    """Return what a template of one message comes to."""
    template = {"type": "chat", "messages": [{"role": "user", "content": text, "template_format": "jinja2"}]}
    rendered = Template(template, "evil").render(variables)
    return str(rendered["messages"][0]["content"][0]["text"])


@pytest.mark.parametrize("text", REACHING)
def test_no_attribute_that_it_should_not_reach(text: str) -> None:
    """What is private, what is no data's own method, and what would read files is refused, in one error of ours."""
    with pytest.raises(TemplateError, match=r"prompt 'evil', message 0 \(user\): ") as refused:
        render(text, items=["a"], thing=Thing(), function=print)
    assert "deleted" not in str(refused.value)


@pytest.mark.parametrize("text", ENDLESS)
def test_every_template_ends(text: str) -> None:
    """Loops within loops, recursion and comparisons without an end are cut off."""
    with pytest.raises(TemplateError, match=r"steps|Range too big|without an end|bits"):
        render(text)


def test_long_prose_is_wrapped() -> None:
    """What a wrapping copies is counted, which in words of a usual length is little."""
    wrapped = render("{{ a|wordwrap(60) }}", a="some words " * 50_000)
    assert max(map(len, wrapped.splitlines())) <= 60
    assert len(render("{{ a|wordwrap(width=76) }}", a="x" * 200_000).splitlines()) == 2632


@pytest.mark.parametrize("text", HUGE, ids=range(len(HUGE)))
def test_no_template_fills_the_memory(text: str) -> None:
    """What would grow beyond bounds is refused before it does."""
    with pytest.raises(TemplateError, match=r"letters|steps|takes up to|three digits|tags"):
        render(text)


@pytest.mark.parametrize("text", NAMESPACES)
def test_a_namespace_keeps_values_and_is_none(text: str) -> None:
    """Namespaces that hold each other are never shown: that would take longer than anybody waits."""
    with pytest.raises(TemplateError, match="a namespace is no value"):
        render(NESTED + text)


@pytest.mark.parametrize("tag", ["for a in b", "if b"])
def test_what_python_cannot_nest_is_no_template(tag: str) -> None:
    """Jinja2 makes Python of a template, and Python nests but so deep: the error is ours."""
    with pytest.raises(TemplateError, match="it nests too deeply"):
        render(f"{{% {tag} %}}" * 150 + f"{{% end{tag.split(maxsplit=1)[0]} %}}" * 150)


def test_a_data_object_shows_its_fields() -> None:
    """Fields of an object that was given may be read, its methods not called."""
    assert render("{{ thing.name }}", thing=Thing()) == "cake"


def test_what_templates_are_for_works() -> None:
    """Loops, conditions, filters, macros, sets and methods of texts and dicts do their work in the sandbox."""
    text = (
        "{% macro item(one) %}- {{ one.name | title }}{{ ', ' ~ one.size if one.size }}{% endmacro %}"
        "{% for one in cakes if one.name %}{{ loop.index }}/{{ loop.length }}{{ item(one) }}\n{% endfor %}"
        "{% set total = cakes | sum(attribute='n') %}{{ total }} {{ '%.2f' | format(total) }} {{ 'a,b'.split(',') | join('+') }} "
        "{% for key, value in {'x': 1}.items() %}{{ key }}={{ value }}{% endfor %} {{ mood | default('calm') }}"
        "{% set seen = namespace(n=0) %}{% for one in cakes %}{% set seen.n = seen.n + 1 %}{% endfor %}{{ seen.n }} "
        "{{ 'yes' if 'a' in ['a'] and seen.n is even and 'abc'[1:] == 'bc' }} "
        "{{ ' and more' if more }} {{ cakes | tojson }} {{ 'x' | indent }} {{ [3, 1] | sort | first }} {{ (1, 2) }}"
    )
    cakes = [{"name": "sponge", "size": "small", "n": 1}, {"name": "fruit", "n": 2}]
    assert render(text, cakes=cakes) == (
        "1/2- Sponge, small\n2/2- Fruit\n3 3.00 a+b x=1 calm2 yes  "
        '[{"n": 1, "name": "sponge", "size": "small"}, {"n": 2, "name": "fruit"}] x 1 (1, 2)'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a.__class__}", "names no variable"),
        ("{a[0]}", "names no variable"),
        ("{0}", "names no variable"),
        ("{}", "names no variable"),
        ('{"json": 1}', "names no variable"),
        ("{a:{b}}", "is no format"),
        ("{a:>1000000000}", "is no format"),
        ("{a", "braces that stand for themselves"),
        ("a}", "braces that stand for themselves"),
    ],
)
def test_an_f_string_takes_names_alone(text: str, said: str) -> None:
    """Python's own format would reach attributes and make endless widths: such a template is none."""
    with pytest.raises(TemplateError, match=re.escape(said)):
        Template({"type": "completion", "content": text}, "evil")


@pytest.mark.parametrize("template_format", ["f-string", "jinja2"])
def test_a_variable_in_many_places_fills_no_memory(template_format: str) -> None:
    """Plain variables make texts of up to four million letters too."""
    name = "{a}" if template_format == "f-string" else "{{ a }}"
    template = {"type": "completion", "content": name * 50, "template_format": template_format}
    read = Template(template, "evil")
    assert len(read.render({"a": "x" * 80_000})["content"][0]["text"]) == 4_000_000
    with pytest.raises(TemplateError, match="more than 4,000,000 letters"):
        read.render({"a": "x" * 80_001})
    with pytest.raises(TemplateError, match="more than 4,000,000 letters"):
        Template({"type": "completion", "content": "{a:999}" * 5000}, "evil").render({"a": ""})


@pytest.mark.parametrize(
    ("text", "template_format", "value"),
    [
        ("{a:c}", "f-string", 10**10),
        ("{a:c}", "f-string", 0xD800),
        ("{a:.2f}", "f-string", 10**400),
        ("{{ '%c' % a }}", "jinja2", 0xD800),
    ],
)
def test_numbers_that_make_no_text_are_refused(text: str, template_format: str, value: int) -> None:
    """A letter that there is not, half a character, more than a float holds: an error of ours, which says where."""
    template = {"type": "completion", "content": text, "template_format": template_format}
    with pytest.raises(TemplateError, match="prompt 'evil', content: "):
        Template(template, "evil").render({"a": value})


def test_all_messages_together_are_bounded() -> None:
    """A template of many messages has no more steps and letters than one of a single message."""
    loop = "{% for a in range(50000) %}{% for b in range(4) %}{% endfor %}{% endfor %}"
    for text, said in ((loop, "1,000,000 steps"), ("{{ a }}", "4,000,000 letters")):
        message = {"role": "user", "content": text, "template_format": "jinja2"}
        Template({"type": "chat", "messages": [message]}, "evil").render({"a": "x" * 1_500_000})
        with pytest.raises(TemplateError, match=rf"message 2 \(user\): .*{said}"):
            Template({"type": "chat", "messages": [message] * 3}, "evil").render({"a": "x" * 1_500_000})
