"""One text with variables in it, in PromptLayer's two formats: "f-string" (`{name}`) and "jinja2" (`{{ name }}`)."""

from __future__ import annotations

import re
from functools import cache
from string import Formatter
from typing import TYPE_CHECKING, Any, Protocol

from promptlog.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.prompts.sandbox import Sandbox

FORMATS = ("f-string", "jinja2")
MOST_CHARS = 4_000_000  # that variables make of a template
MOST_STEPS = 1_000_000  # of a template; some seconds at most
_NAME = re.compile(r"[^\W\d]\w*")
_WIDE = re.compile(r"\d{4}")


class Room:
    """What is left for one rendering of a template, of all its texts together."""

    __slots__ = ("chars", "steps")

    def __init__(self) -> None:
        self.chars = MOST_CHARS
        self.steps = MOST_STEPS

    def put(self, text: str) -> str:
        """Return a text that was made, counted: one variable can stand in many places.

        Raises:
            TemplateError: it is too much.
        """
        self.chars -= len(text)
        if self.chars < 0:
            raise TemplateError(f"it makes a text of more than {MOST_CHARS:,} letters")
        return text


class Text(Protocol):
    """A text that has been read."""

    #: The variables that it names, in order.
    names: list[str]

    def render(self, variables: Mapping[str, Any], room: Room) -> str:
        """Return the text with the variables put in; what that takes is taken from the room.

        Raises:
            KeyError: a variable is missing; its name is the only argument.
            TemplateError: it cannot be rendered.
        """


def read_text(source: str, template_format: str) -> Text:
    """Return a text that can be rendered.

    Raises:
        TemplateError: it is no such template; says what is wrong, not where the text stands.
    """
    if "{" not in source and "}" not in source:
        return _Plain(source)
    return _FString(source) if template_format == "f-string" else _Jinja(source)


class _Plain:
    def __init__(self, source: str) -> None:
        self.names: list[str] = []
        self._source = source

    def render(self, variables: Mapping[str, Any], room: Room) -> str:  # noqa: ARG002 - it has none
        return self._source


class _FString:
    """`{name}`, `{name:.2f}`, `{{` for a brace. No attribute and no index: Python's own would reach anything."""

    def __init__(self, source: str) -> None:
        self._parts: list[tuple[str, str | None, str, str | None]] = []
        try:
            for literal, name, spec, conversion in Formatter().parse(source):
                self._parts.append((literal, name, spec or "", conversion))
        except ValueError as error:
            raise TemplateError(
                f"{error}; write {{{{ and }}}} for braces that stand for themselves"
            ) from None
        self.names = list(dict.fromkeys(name for _, name, _, _ in self._parts if name is not None))
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise TemplateError(
                    f"{{{name[:60]}}} names no variable: in an f-string template a variable is one word. For braces "
                    f"that stand for themselves write {{{{ and }}}}; for attributes and loops, template_format 'jinja2'"
                )
        for _, _, spec, _ in self._parts:
            if "{" in spec or _WIDE.search(spec):
                raise TemplateError(f"{spec[:60]!r} is no format: a width has up to three digits")

    def render(self, variables: Mapping[str, Any], room: Room) -> str:
        parts = []
        for literal, name, spec, conversion in self._parts:
            parts.append(literal)
            if name is not None:
                parts.append(room.put(_formatted(name, variables[name], spec, conversion)))
        return "".join(parts)


def _formatted(name: str, value: Any, spec: str, conversion: str | None) -> str:
    if value is None:
        return ""  # as PromptLayer
    if isinstance(value, str) and not spec and not conversion:
        return value
    try:
        text = format(Formatter().convert_field(value, conversion), spec)
        text.encode()  # `c` makes half a character of a number
    except (ValueError, TypeError, OverflowError) as error:
        raise TemplateError(
            f"the variable {name!r}, a {type(value).__name__}, does not take the format {spec!r}: {error}"
        ) from None
    return text


class _Jinja:
    """A template of Jinja2 in our sandbox."""

    def __init__(self, source: str) -> None:
        from jinja2 import TemplateSyntaxError
        from jinja2.exceptions import SecurityError

        self._sandbox = _sandbox()
        try:
            self._template, self.names, self._pieces = self._sandbox.read(source)
        except TemplateSyntaxError as error:
            raise TemplateError(f"line {error.lineno}: {error.message}") from None
        except (SecurityError, OverflowError) as error:
            raise TemplateError(str(error)) from None
        except (
            RecursionError,
            SyntaxError,
            MemoryError,
        ):  # Python's own limits of the code that Jinja2 makes
            raise TemplateError("it nests too deeply") from None

    def render(self, variables: Mapping[str, Any], room: Room) -> str:
        if self._pieces is not None:  # most prompts: a fifth of the time, and the same text
            values = [text if name is None else variables[name] for text, name in self._pieces]
            if all(isinstance(value, str | int | float | None) for value in values):
                return "".join([room.put(str(value)) for value in values])
        return room.put(self._rendered(variables, room))

    def _rendered(self, variables: Mapping[str, Any], room: Room) -> str:
        from jinja2 import UndefinedError
        from jinja2.exceptions import SecurityError

        try:
            text = self._sandbox.render(self._template, dict(variables), room)
            text.encode()  # `%c` makes half a character of a number
        except UndefinedError as error:
            name = str(error.message).split("'")[1] if str(error.message).startswith("'") else ""
            if name in self.names and name not in variables:
                raise KeyError(name) from None
            raise TemplateError(str(error.message)) from None
        except SecurityError as error:
            raise TemplateError(str(error)) from None
        except RecursionError:
            raise TemplateError("it calls itself without an end") from None
        except MemoryError:
            raise TemplateError("it takes more memory than there is") from None
        except Exception as error:  # whatever a filter raises of a value that it was not made for
            raise TemplateError(str(error) or type(error).__name__) from None
        return text


@cache
def _sandbox() -> Sandbox:
    from promptlog.prompts.sandbox import Sandbox

    return Sandbox()
