"""What went into a model and what came out, in PromptLayer's shape: the prompt blueprint.

`{"type": "chat", "messages": [{"role": …, "content": [{"type": "text", "text": …}, …]}, …]}` or
`{"type": "completion", "content": [block, …]}`. Source of the shape: PromptLayer's documentation of custom logging.
"""

from __future__ import annotations

from typing import Any

from promptlog.errors import InvalidInputError


def blueprint(given: object, role: str, what: str) -> dict[str, Any] | None:
    """Return `given` as a blueprint.

    Args:
        given: a blueprint, a message, a list of messages, or plain text; objects that pydantic can turn into one
            of these count as such (an OpenAI message); None stays None (a call that failed has no output).
        role: whose words plain text is, "user" or "assistant".
        what: the argument's name, for the message.

    Raises:
        InvalidInputError: it is none of these.
    """
    if isinstance(given, str):
        return {"type": "chat", "messages": [{"role": role, "content": [{"type": "text", "text": given}]}]}
    if given is None:
        return None
    if isinstance(given, dict):
        kind = given.get("type")
        if kind == "chat" and isinstance(given.get("messages"), list):
            return {**given, "messages": [_message(message, what) for message in given["messages"]]}
        if kind == "completion" and "content" in given:
            return {**given, "content": _blocks(given["content"])}
        if "role" in given:
            return {"type": "chat", "messages": [_message(given, what)]}
        raise InvalidInputError(
            f"{what} is a dict that is neither a prompt blueprint ({{'type': 'chat', 'messages': […]}}) nor a "
            f"message ({{'role': …, 'content': …}}); its keys are {list(given)[:6]}"
        )
    if isinstance(given, list | tuple):
        return {"type": "chat", "messages": [_message(message, what) for message in given]}
    plain = _plain(given, what)
    if not isinstance(plain, dict | list) or plain is given:  # bytes, a number, a date
        raise InvalidInputError(
            f"{what} must be a prompt blueprint, a list of messages or text, got {type(given).__name__}"
        )
    return blueprint(plain, role, what)


def _message(given: object, what: str) -> dict[str, Any]:
    message = given if isinstance(given, dict) else _plain(given, what)
    if not isinstance(message, dict) or "role" not in message:
        raise InvalidInputError(f"{what} has a message without a role: {str(given)[:80]!r}")
    content = message.get("content")
    if isinstance(content, list):
        return message
    return {**message, "content": _blocks(content)}


def _blocks(content: object) -> object:
    """Return content as a list of blocks: PromptLayer shows a plain string as malformed."""
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _plain(given: object, what: str) -> object:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(given, exclude_none=True)
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidInputError(f"{what} of type {type(given).__name__} is not JSON: {error}") from None


def text_of(content: dict[str, Any] | None) -> str:
    """Return the text blocks of a blueprint, joined by blank lines."""
    if not content:
        return ""
    lists = [content.get("content"), *(m.get("content") for m in content.get("messages") or ())]
    return "\n\n".join(
        block["text"]
        for blocks in lists
        if isinstance(blocks, list)
        for block in blocks
        if isinstance(block, dict) and isinstance(block.get("text"), str)
    )
