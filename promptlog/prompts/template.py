"""A whole prompt template: messages of a chat, or one text to complete, checked, read and rendered.

Source of the shapes: PromptLayer's Python SDK 1.5.16, `promptlayer.types.prompt_template`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from promptlog.errors import TemplateError
from promptlog.models.content import blueprint
from promptlog.prompts.text import FORMATS, Room, Text, read_text

ROLES = ("system", "user", "assistant", "function", "tool", "developer", "placeholder")
_OF_TEMPLATES = ("input_variables", "template_format")  # what a rendered message has not

Piece = Callable[[Mapping[str, Any], Room], list[dict[str, Any]]]


class Template:
    """A prompt template that has been read. It may be rendered by any number of threads.

    Args:
        given: `{"type": "chat", "messages": [...], "tools": [...], ...}` or `{"type": "completion", "content": [...]}`.
        name: the prompt's, for messages.

    Raises:
        TemplateError: it is none; the message says where.

    Attributes:
        names: the variables that it takes, in order.
        source: the template as it is kept: content as blocks, `input_variables` said.
    """

    def __init__(self, given: object, name: str) -> None:
        self._name = name
        self._f_strings: list[str] = []
        self.names: list[str] = []
        if not isinstance(given, Mapping) or given.get("type") not in ("chat", "completion"):
            raise self._wrong(
                "",
                "prompt_template must be {'type': 'chat', 'messages': [...]} or {'type': 'completion', 'content': [...]}",
            )
        self.is_chat = given["type"] == "chat"
        if self.is_chat:
            messages = given.get("messages")
            if not isinstance(messages, list | tuple) or not messages:
                raise self._wrong("", "a chat template has a list of messages, and at least one")
            read = [self._message(message, f"message {at}") for at, message in enumerate(messages)]
            self._pieces = [piece for _, piece in read]
            body: dict[str, Any] = {"messages": [message for message, _ in read]}
        else:
            content, names, piece = self._content(given, "content")
            self._pieces = [piece]
            body = {"content": content}
            self._add(names)
        self._tools = self._tool_pieces(given.get("tools"))
        self._rest = {
            key: value
            for key, value in given.items()
            if key not in ("type", "messages", "content", "tools", *_OF_TEMPLATES)
        }
        beside = {"template_format": _format_of(given)} if not self.is_chat else {}
        tools = {"tools": list(given["tools"])} if given.get("tools") else {}
        self.source = {
            "type": given["type"],
            **body,
            **beside,
            **tools,
            **self._rest,
            "input_variables": self.names,
        }

    def _add(self, names: list[str]) -> None:
        self.names += [name for name in names if name not in self.names]

    def _wrong(self, where: str, problem: str) -> TemplateError:
        return TemplateError(f"prompt {self._name!r}{where and ', '}{where}: {problem}")

    # -- reading ---------------------------------------------------------------------------------------------------

    def _message(self, given: object, where: str) -> tuple[dict[str, Any], Piece]:
        if not isinstance(given, Mapping) or given.get("role") not in ROLES:
            raise self._wrong(where, f"a message is a dict whose role is one of {', '.join(ROLES)}")
        where = f"{where} ({given['role']})"
        if given["role"] == "placeholder":
            name = given.get("name")
            if not isinstance(name, str) or not name:
                raise self._wrong(where, "a placeholder has a name: that of the variable with its messages")
            self._add([name])
            return dict(given), lambda variables, _: self._placed(name, variables, where)
        content, names, piece = self._content(given, where)
        self._add(names)
        source = {**given, "content": content, "input_variables": names, "template_format": _format_of(given)}
        rest = {key: value for key, value in given.items() if key not in ("content", *_OF_TEMPLATES)}
        return source, lambda variables, room: [{**rest, "content": piece(variables, room)}]

    def _content(self, given: Mapping[str, Any], where: str) -> tuple[list[dict[str, Any]], list[str], Piece]:
        """Return blocks, the variables in them, and what renders them."""
        content = given.get("content")
        if content is None:
            content = []
        elif isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list | tuple) or not all(isinstance(block, Mapping) for block in content):
            raise self._wrong(
                where, "content is a text, or a list of blocks such as {'type': 'text', 'text': ...}"
            )
        template_format = _format_of(given)
        if template_format not in FORMATS:
            raise self._wrong(
                where, f"template_format is one of {', '.join(FORMATS)}, got {template_format!r}"
            )
        names: list[str] = []
        pieces = [self._block(dict(block), template_format, names, where) for block in content]
        names = list(dict.fromkeys(names))
        return (
            [dict(block) for block in content],
            names,
            lambda variables, room: [block for piece in pieces for block in piece(variables, room)],
        )

    def _block(self, block: dict[str, Any], template_format: str, names: list[str], where: str) -> Piece:
        if block.get("type") == "media_variable" and isinstance(name := block.get("name"), str):
            names.append(name)
            return lambda variables, _: self._media(name, variables, where)
        if block.get("type", "text") != "text":
            return lambda _, __: [copied(block)]
        if not isinstance(block.get("text"), str):
            raise self._wrong(where, "a block of text has no text")
        if template_format == "f-string":
            self._f_strings.append(block["text"])
        try:
            text = read_text(block["text"], template_format)
        except TemplateError as error:
            raise self._wrong(where, str(error)) from None
        names += text.names
        return lambda variables, room: [{**block, "text": self._text(text, variables, room, where)}]

    def _tool_pieces(self, tools: object) -> list[Piece]:
        if tools is None:
            return []
        if not isinstance(tools, list | tuple) or not all(isinstance(tool, Mapping) for tool in tools):
            raise self._wrong("", "tools is a list of dicts")
        return [self._tool(dict(tool)) for tool in tools]

    def _tool(self, tool: dict[str, Any]) -> Piece:
        if tool.get("type") != "variable":
            return lambda _, __: [copied(tool)]
        name = str(tool.get("name"))
        self._add([name])
        return lambda variables, _: self._list(name, variables, "tools", "tools")

    # -- rendering -------------------------------------------------------------------------------------------------

    def render(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the blueprint that goes to a model.

        Raises:
            TemplateError: a variable is missing or of a wrong kind, or the template does not come to an end.
        """
        room = Room()
        blocks = [one for piece in self._pieces for one in piece(variables, room)]
        rendered: dict[str, Any] = (
            {"type": "chat", "messages": blocks}
            if self.is_chat
            else {"type": "completion", "content": blocks}
        )
        if self._tools:
            rendered["tools"] = [tool for piece in self._tools for tool in piece(variables, room)]
        if self._rest:
            rendered.update(copied(self._rest))
        return rendered

    def warning(self, variables: Mapping[str, Any]) -> str | None:
        """Return what is said of variables that the template does not name; None where there are none."""
        unused = self._unused(variables)
        if not unused:
            return None
        said = f"prompt {self._name!r} names no variable {', '.join(map(repr, unused))}; ignored"
        for name in unused:
            braces = re.compile(rf"{{{{\s*{re.escape(name)}\s*}}}}")
            if found := next(filter(None, map(braces.search, self._f_strings)), None):
                return f"{said}. Of an f-string, {found[0]!r} is text in braces: is its template_format 'jinja2'?"
        return said

    def _unused(self, variables: Mapping[str, Any]) -> list[str]:
        return [name for name in variables if name not in self.names]

    def _text(self, text: Text, variables: Mapping[str, Any], room: Room, where: str) -> str:
        try:
            return text.render(variables, room)
        except KeyError as error:
            raise self._missing(error.args[0], variables) from None
        except TemplateError as error:
            raise self._wrong(where, str(error)) from None

    def _missing(self, name: str, variables: Mapping[str, Any]) -> TemplateError:
        others = [other for other in self.names if other not in variables and other != name]
        near = get_close_matches(name, self._unused(variables), n=1)
        hint = f"; is it what you call {near[0]!r}?" if near else ""
        also = f" (nor {', '.join(map(repr, others))})" if others else ""
        return self._wrong(
            "",
            f"the variable {name!r} is not given{also}{hint}; input_variables has {', '.join(variables) or 'none'}",
        )

    def _list(self, name: str, variables: Mapping[str, Any], what: str, where: str) -> list[dict[str, Any]]:
        if name not in variables:
            raise self._missing(name, variables)
        found = variables[name]
        if not isinstance(found, list | tuple) or not all(isinstance(one, Mapping) for one in found):
            raise self._wrong(
                where, f"the variable {name!r} must be a list of {what}, got {type(found).__name__}"
            )
        return [dict(one) for one in found]

    def _placed(self, name: str, variables: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
        messages = self._list(name, variables, "messages", where)
        try:
            return list((blueprint(messages, "user", f"the variable {name!r}") or {})["messages"])
        except ValueError as error:
            raise self._wrong(where, str(error)) from None

    def _media(self, name: str, variables: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
        if name not in variables:
            raise self._missing(name, variables)
        given = variables[name]
        media = given if isinstance(given, list | tuple) else [given]
        if not all(isinstance(one, str | Mapping) for one in media):
            raise self._wrong(where, f"the variable {name!r} must be a URL, a block, or a list of these")
        return [
            {"type": "image_url", "image_url": {"url": one}} if isinstance(one, str) else dict(one)
            for one in media
        ]


def copied(value: Any) -> Any:
    """Return JSON as new dicts and lists: a template is kept, and what was made of it belongs to whoever gets it."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def _format_of(given: Mapping[str, Any]) -> Any:
    return given.get("template_format") or FORMATS[0]
