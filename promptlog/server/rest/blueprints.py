"""PromptLayer's blueprint of a call: what went in, with what came out after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def blueprint_of(
    given: Mapping[str, Any] | None,
    said: Mapping[str, Any] | None,
    *,
    provider: Any,
    model: Any,
    parameters: Any,
    api_type: Any,
) -> dict[str, Any]:
    """Return the blueprint of a call: input and output as they are kept, None where there is none, and what was called."""
    parts = {"provider": provider, "name": model, "parameters": parameters or {}, "api_type": api_type}
    return {"prompt_template": _joined(given, said), "commit_message": None, "metadata": {"model": parts}}


def _joined(given: Mapping[str, Any] | None, said: Mapping[str, Any] | None) -> dict[str, Any]:
    given, said = given or {"type": "chat", "messages": []}, said or {}
    if "messages" in given:
        answers = said.get("messages") or (
            [{"role": "assistant", "content": said["content"]}] if said.get("content") else []
        )
        return {**given, "messages": [*given["messages"], *answers]}
    blocks = said.get("content") or [
        block for one in said.get("messages") or () for block in one.get("content") or ()
    ]
    return {**given, "content": [*(given.get("content") or ()), *blocks]}
