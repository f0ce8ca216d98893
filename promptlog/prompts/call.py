"""One call of a model, from what is asked to what is logged of it. No waiting is done here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from promptlog.context import add_context
from promptlog.errors import InvalidInputError, warn_not_logged
from promptlog.identifiers import new_request_id
from promptlog.models.checks import check_count, check_metadata, check_tags
from promptlog.models.encode import encode, encode_told, join
from promptlog.prompts.template import copied
from promptlog.providers.protocol import Answer

if TYPE_CHECKING:
    from promptlog.context import Context
    from promptlog.prompts.published import Published
    from promptlog.providers.protocol import Provider

#: Writes an encoded record; False, with a warning, where the disk refused it.
Append = Callable[[bytes], bool]


class Call:
    """What a prompt asks of a model, checked whole before the model is called.

    Latency is the model's alone: the clock runs while the program waits for the model, and at no other time. Of a
    stream, what its reader does between two chunks is left out.

    Raises:
        InvalidInputError: metadata, tags, variables or parameters are wrong; nothing was sent.
    """

    def __init__(
        self,
        *,
        prompt: Published,
        provider: Provider,
        model: str,
        parameters: dict[str, Any],
        rendered: dict[str, Any],
        variables: dict[str, Any],
        replay_key: str,
        around: Context | None,
        append: Append,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        group_id: int | None = None,
    ) -> None:
        self.prompt = prompt
        self.provider = provider
        self.model = model
        self.parameters = parameters
        self.rendered = rendered
        self.replay_key = replay_key
        self._append = append
        self._process = os.getpid()
        # As `models.build` makes it, of parts that are checked already: this runs before every call.
        link = {"name": prompt.name, "version": prompt.version, "label": prompt.label, "variables": variables}
        asked: dict[str, Any] = {
            "kind": "request",
            "provider": provider.name,
            "model": model,
            "api_type": provider.api_type,
            "function_name": provider.function_name,
            "input": rendered,
            "prompt": {name: value for name, value in link.items() if value},
            "replay_key": replay_key,
        }
        if parameters:
            asked["parameters"] = parameters
        if metadata:
            asked["metadata"] = check_metadata(metadata)
        if tags:
            asked["tags"] = check_tags(tags)
        if group_id is not None:
            asked["group_id"] = check_count(group_id, "group_id")
        add_context(asked, around)
        try:
            self._asked = encode(asked)  # what cannot be written is refused before anything is sent
        except InvalidInputError as error:
            said = str(error).replace("prompt.variables", "input_variables", 1)
            raise type(error)(said) from None
        self.arguments = provider.request(rendered, model, parameters)
        self._start_us: int | None = None
        self._waited = 0.0
        self._since: float | None = None

    # -- the clock -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start: from now on the program waits for the model."""
        self._start_us = time.time_ns() // 1000
        self.wait()

    def wait(self) -> None:
        """Wait for the model again."""
        self._since = time.perf_counter()

    def rest(self) -> None:
        """Something came, or nothing will: the program goes on."""
        if self._since is not None:
            self._waited += time.perf_counter() - self._since
            self._since = None

    # -- how it ended ----------------------------------------------------------------------------------------------

    def answered(self, answer: Answer, *, replayed_from: str | None = None) -> str | None:
        """Log an answer, and return the request's id; None, with a warning, where it cannot be logged."""
        self.rest()
        return self._finish(answer, replayed_from=replayed_from)

    def left(self, answer: Answer, why: str) -> None:
        """Log what came of an answer that nobody waited for to its end."""
        if self._process != os.getpid():
            return  # a forked child drops what is its parent's
        self.rest()
        if answer.finish_reason is not None:  # it was whole; what was left is the count of its tokens
            self._finish(answer)
        else:
            self._finish(answer, status="WARNING", error_type="PROVIDER_PARTIAL_RESPONSE", error_message=why)

    def failed(self, error: BaseException, answer: Answer | None = None) -> None:
        """Log a call that failed, with what had come; one that never began was none."""
        self.rest()
        if self._start_us is None:
            return
        from promptlog.providers.failures import failure_of, say_logged, say_where

        say_where(error, self.provider.name)
        request_id = self._finish(answer or Answer(), **failure_of(error))
        if request_id is not None:
            say_logged(error, request_id)

    def _finish(self, answer: Answer, **ended: Any) -> str | None:
        try:
            start_us = self._start_us or 0
            request_id = new_request_id(start_us)
            cost = 0.0 if ended.get("replayed_from") else self.provider.cost_usd(answer, self.model)
            found = {
                "request_id": request_id, "start_time": start_us, "end_time": start_us + round(self._waited * 1e6),
                "status": "SUCCESS", **answer.arguments(), "cost_usd": cost, **ended,
            }  # fmt: skip
            line = join(
                self._asked, encode_told({name: one for name, one in found.items() if one is not None})
            )
            return request_id if self._append(line) else None
        except Exception as error:  # the answer is worth more than its log line
            warn_not_logged(f"this answer of {self.model} cannot be written: {error}")
            return None

    # -- what a run gives back -------------------------------------------------------------------------------------

    def result(self, raw: Any, output: dict[str, Any] | None, request_id: str | None) -> dict[str, Any]:
        """Return what `run` returns, in PromptLayer's shape: the blueprint is the prompt with the answer after it."""
        return {
            "request_id": request_id,
            "raw_response": raw,
            "prompt_blueprint": self._blueprint(_joined(self.rendered, output)),
        }

    def piece(self, raw: Any, text: str) -> dict[str, Any]:
        """Return what a stream yields of a chunk: its blueprint has the chunk's text alone."""
        content = [{"type": "text", "text": text}] if text else []
        messages = [{"role": "assistant", "content": content}]
        return {
            "request_id": None,
            "raw_response": raw,
            "prompt_blueprint": self._blueprint({"type": "chat", "messages": messages}),
        }

    def _blueprint(self, template: dict[str, Any]) -> dict[str, Any]:
        model = {
            "provider": self.provider.name, "name": self.model, "parameters": self.parameters,
            "api_type": self.provider.api_type,
        }  # fmt: skip
        return {
            "prompt_template": template,
            "commit_message": self.prompt.commit_message,
            "metadata": {**copied(self.prompt.metadata), "model": model},
        }


def _joined(rendered: dict[str, Any], output: dict[str, Any] | None) -> dict[str, Any]:
    """Return a prompt with the answer after it."""
    answers = (output or {}).get("messages") or []
    if rendered["type"] == "chat":
        return {**rendered, "messages": [*rendered["messages"], *answers]}
    blocks = (output or {}).get("content") or [block for one in answers for block in one.get("content") or ()]
    return {**rendered, "content": [*rendered["content"], *blocks]}
