"""Prompts inside of prompts: `@@@name@@@`, `@@@name@version_number:2@@@`, `@@@name@label:prod@@@`.

Source of the notation, and of the rule that only completion templates are included: PromptLayer's page on snippets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from promptlog.errors import TemplateError
from promptlog.prompts.text import MOST_CHARS

_REFERENCE = re.compile(r"@@@(.+?)@@@", re.DOTALL)
_SELECTOR = re.compile(r"(?s)(?P<name>.+?)(?:@version_number:(?P<version>\d{1,18})|@label:(?P<label>.+))?")


class Reference(NamedTuple):
    """Which version of a prompt is meant: of that number, with that label, or the newest."""

    name: str
    version: int | None = None
    label: str | None = None


class Included(NamedTuple):
    """A prompt that is included, as it was published."""

    version: int
    template: Mapping[str, Any]


def expand(
    template: Mapping[str, Any], name: str, find: Callable[[Reference], Included]
) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Return a template with its snippets in their places, and which they are.

    Args:
        template: as it was published.
        name: its prompt's.
        find: returns the prompt that a reference means.

    Raises:
        TemplateError: prompts include each other in a circle, a snippet is a chat or of another format, or all
            together is too long.
        PromptNotFoundError: a snippet is not there.
    """
    expander = _Expander(find)
    if isinstance(template.get("messages"), list | tuple):
        messages = [
            expander.whole(message, (name,)) if isinstance(message, Mapping) else message
            for message in template["messages"]
        ]
        return {**template, "messages": messages}, expander.found
    return expander.whole(template, (name,)), expander.found


def references(template: Mapping[str, Any]) -> list[Reference]:
    """Return what a template includes by itself, not through what it includes."""
    holders = template["messages"] if isinstance(template.get("messages"), list) else [template]
    blocks = [
        block for holder in holders for block in holder.get("content") or () if isinstance(block, Mapping)
    ]
    texts = [block["text"] for block in blocks if isinstance(block.get("text"), str)]
    return [read_reference(found) for text in texts for found in _REFERENCE.findall(text)]


class _Expander:
    def __init__(self, find: Callable[[Reference], Included]) -> None:
        self._find = find
        self.found: list[dict[str, Any]] = []
        self._known: dict[Reference, tuple[str, str]] = {}  # the text and format of a snippet, read once

    def whole(self, holder: Mapping[str, Any], chain: tuple[str, ...]) -> Mapping[str, Any]:
        """Return a message or completion with its texts expanded."""
        content = holder.get("content")
        template_format = str(holder.get("template_format") or "f-string")
        if isinstance(content, str):
            return {**holder, "content": self._text(content, template_format, chain)}
        if not isinstance(content, list | tuple):
            return holder
        return {
            **holder,
            "content": [
                {**block, "text": self._text(block["text"], template_format, chain)}
                if isinstance(block, Mapping) and isinstance(block.get("text"), str)
                else block
                for block in content
            ],
        }

    def _text(self, text: str, template_format: str, chain: tuple[str, ...]) -> str:
        if "@@@" not in text:
            return text
        parts, place, size = [], 0, 0
        for found in _REFERENCE.finditer(text):
            parts += [text[place : found.start()], self._snippet(found[1], template_format, chain)]
            place = found.end()
            size += len(parts[-1])
            if size > MOST_CHARS:
                raise TemplateError(
                    f"prompt {chain[0]!r}: with its snippets it has more than {MOST_CHARS:,} letters"
                )
        return "".join([*parts, text[place:]])

    def _snippet(self, written: str, template_format: str, chain: tuple[str, ...]) -> str:
        reference = read_reference(written)
        if reference.name in chain:
            circle = " → ".join([*chain[chain.index(reference.name) :], reference.name])
            raise TemplateError(f"prompt {chain[0]!r} includes itself without an end: {circle}")
        if reference not in self._known:
            self._known[reference] = self._read(reference, chain)
        text, own_format = self._known[reference]
        if own_format != template_format and ("{" in text or "}" in text):
            raise TemplateError(
                f"prompt {chain[-1]!r} is of template_format {template_format!r} and includes {reference.name!r}, which is "
                f"of {own_format!r}; publish them in one format"
            )
        return text

    def _read(self, reference: Reference, chain: tuple[str, ...]) -> tuple[str, str]:
        """Return the text of a snippet, its own snippets in their places, and its format."""
        included = self._find(reference)
        entry = {"prompt_name": reference.name, "version": included.version, "label": reference.label}
        if entry not in self.found:
            self.found.append(entry)
        template = included.template
        if template.get("type") != "completion":
            raise TemplateError(
                f"prompt {chain[-1]!r} includes {reference.name!r}, which is a chat; only completion templates are snippets"
            )
        whole = self.whole(template, (*chain, reference.name))
        text = "".join(block["text"] for block in whole["content"] if isinstance(block.get("text"), str))
        return text, str(template.get("template_format") or "f-string")


def read_reference(written: str) -> Reference:
    """Return what stands between two `@@@`."""
    found = _SELECTOR.fullmatch(written.strip())
    if found is None:
        return Reference(written)
    return Reference(found["name"], int(found["version"]) if found["version"] else None, found["label"])
