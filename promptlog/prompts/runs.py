"""`run`: a prompt by its name, rendered, sent to its model, and logged; or answered from the log.

Source of the arguments and of what comes back: PromptLayer's Python SDK 1.5.16, `PromptLayer.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.context import current_context
from promptlog.errors import InvalidInputError, UnknownProviderError, UnusedVariableWarning, warn
from promptlog.models.checks import check_count, check_dict, check_text
from promptlog.prompts.call import Append, Call
from promptlog.prompts.replay import Replay, at_hand, at_hand_later, check_replay, find_answer, replay_key
from promptlog.prompts.snippets import Reference
from promptlog.prompts.steps import Ask, Blocking, Deferred, Steps
from promptlog.prompts.stream import Stream, read, read_later
from promptlog.prompts.template import copied
from promptlog.providers.callables import NotHere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from promptlog.database.store import Store
    from promptlog.prompts.published import Published
    from promptlog.prompts.registry import Registry
    from promptlog.providers.protocol import Answer, Provider


class Runs:
    """Runs the prompts of a registry.

    Args:
        registry: where prompts are.
        provider_of: returns the provider of a name and an API type.
        store: where answers are looked for.
        append: writes an encoded record.
        replay: whether answers come from the log, unless a call says otherwise.
    """

    def __init__(
        self,
        registry: Registry,
        provider_of: Callable[[str, str | None], Provider],
        store: Store,
        append: Append,
        replay: Replay,
    ) -> None:
        self._registry = registry
        self._provider_of = provider_of
        self._store = store
        self._append = append
        self._replay = replay

    def run(
        self,
        prompt_name: str,
        prompt_version: int | None = None,
        prompt_release_label: str | None = None,
        input_variables: Mapping[str, Any] | None = None,
        model_parameter_overrides: Mapping[str, Any] | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        group_id: int | None = None,
        stream: bool = False,
        provider: str | None = None,
        model: str | None = None,
        *,
        replay: Replay | None = None,
    ) -> Steps[Any]:
        """Render a prompt, ask its model, log the request, and return the answer.

        Args:
            prompt_name: a prompt that was published.
            prompt_version: which version, else the newest.
            prompt_release_label: the version with this label.
            input_variables: a value for each variable of the template, any JSON; a missing one is an error, one that
                the template does not name an `UnusedVariableWarning`.
            model_parameter_overrides: parameters of the model (temperature, …) beside and over those of the prompt.
            tags: of the request, as `log_request` takes them.
            metadata: likewise; checked before the model is called.
            group_id: likewise.
            stream: return an iterator, which gives the answer in chunks.
            provider: in place of the one that the prompt names.
            model: likewise.
            replay: "auto" answers from the log where it has an answer to the same prompt text, model, provider and
                parameters; "always" answers from the log alone, and needs no provider's package, network or API key;
                "never" asks the model. Else what the client was made with.

        Returns:
            `{"request_id": …, "raw_response": …, "prompt_blueprint": …}`: the id, None where the log could not be
            written (with a `NotLoggedWarning`: the answer is not lost); the response as the provider's SDK gives it;
            and the prompt with the answer after it, `["prompt_template"]["messages"][-1]`. An answer from the log also
            has `"replayed_from"`, the id of the request that it was given to, and costs nothing.
            With `stream`, an iterator of such dicts: one a chunk, with the chunk's text as blueprint and without an id,
            and at the end the last chunk once more, with the id and the whole blueprint. A stream that is left is
            logged as far as it came, as a WARNING.

        Raises:
            InvalidInputError: an argument is wrong, the template cannot be rendered (`TemplateError`), or there is no
                model or no such provider. Nothing was sent and nothing is logged.
            PromptNotFoundError: there is no such prompt, version or label.
            NotReplayableError: `replay` is "always", and the log has no such answer.
            MissingExtraError: the provider's package is not installed.
            Exception: what the provider's SDK raises, unchanged. The request is logged with status ERROR, PromptLayer's
                error_type and its latency. Latency is the time that the program waited for the model.
        """
        mode = self._replay if replay is None else check_replay(replay)
        reference = _reference(prompt_name, prompt_version, prompt_release_label)
        logged = {"around": current_context(), "tags": tags, "metadata": metadata, "group_id": group_id}
        prompt = self._registry.kept(reference) or (yield Blocking(lambda: self._registry.get(reference)))
        call = self._call(prompt, mode, input_variables, model_parameter_overrides, provider, model, **logged)
        return (yield from self._steps(call, mode, stream=stream))

    def _steps(self, call: Call, mode: Replay, *, stream: bool) -> Steps[Any]:
        """Find the answer in the log, or ask the model for it."""
        if mode != "never":
            prompt = call.prompt
            what = f"prompt {prompt.name!r} version {prompt.version} of {call.provider.name} {call.model}"
            found = yield Blocking(lambda: find_answer(self._store, call.replay_key, mode, what))
            if found is not None:
                return (yield from _replayed(call, *found, stream=stream))
            if isinstance(call.provider, NotHere):
                raise call.provider.why
        try:
            raw = yield Ask(call.provider, call.arguments, stream, call.begin)
        except BaseException as error:
            call.failed(error)
            raise
        if not stream:
            call.rest()
            return _answer(call, raw)
        taken = Stream(call, raw)
        return (yield Deferred(lambda: read(taken), lambda: read_later(taken)))

    def _call(
        self,
        prompt: Published,
        mode: Replay,
        input_variables: Mapping[str, Any] | None,
        overrides: Mapping[str, Any] | None,
        provider: str | None,
        model: str | None,
        **logged: Any,
    ) -> Call:
        variables = {} if input_variables is None else check_dict(input_variables, "input_variables")
        if warning := prompt.template.warning(variables):
            warn(warning, UnusedVariableWarning)
        own = prompt.metadata.get("model") or {}
        name = check_text(provider or own.get("provider") or _missing(prompt, "provider"), "provider")
        chosen = check_text(model or own.get("name") or _missing(prompt, "model"), "model")
        answers: Provider
        try:
            answers = self._provider_of(name, own.get("api_type") if name == own.get("provider") else None)
        except UnknownProviderError as error:
            if mode == "never":
                raise
            answers = NotHere(name, error)
        parameters = copied(own.get("parameters") or {})
        if overrides is not None:
            parameters.update(_parameters(overrides))
        rendered = prompt.template.render(variables)
        key = replay_key(answers.name, chosen, parameters, rendered)
        return Call(
            prompt=prompt, provider=answers, model=chosen, parameters=parameters, rendered=rendered,
            variables=variables, replay_key=key, append=self._append, **logged,
        )  # fmt: skip


#: What is said elsewhere, and would be passed over among the parameters.
_NO_PARAMETERS = {
    "model": "give run model=…",
    "stream": "give run stream=…",
    "messages": "messages are those of the prompt",
}


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    changed = check_dict(given, "model_parameter_overrides")
    for one in _NO_PARAMETERS.keys() & changed.keys():
        raise InvalidInputError(
            f"model_parameter_overrides has {one!r}, which is no parameter; {_NO_PARAMETERS[one]}"
        )
    return changed


def _reference(name: object, version: object, label: object) -> Reference:
    return Reference(
        check_text(name, "prompt_name"),
        None if version is None else check_count(version, "prompt_version", least=1),
        None if label is None else check_text(label, "prompt_release_label"),
    )


def _missing(prompt: Published, what: str) -> str:
    raise InvalidInputError(
        f"prompt {prompt.name!r} names no {what}: run it with one ({what}=…, in the shell --{what} …), or publish it with "
        f"metadata={{'model': "
        f"{{'provider': 'openai', 'name': 'gpt-4o', 'parameters': {{}}}}}}"
    )


def _answer(call: Call, raw: Any) -> dict[str, Any]:
    reader = call.provider.reader()
    reader.add(raw)
    answer = reader.answer()
    return call.result(raw, answer.output, call.answered(answer))


def _replayed(call: Call, original: str, answer: Answer, *, stream: bool) -> Steps[Any]:
    """Answer from the log, in the provider's own shape."""
    call.begin()
    if not stream:
        raw = call.provider.raw(answer)
        request_id = call.answered(answer, replayed_from=original)
        return {**call.result(raw, answer.output, request_id), "replayed_from": original}
    chunks = call.provider.raw(answer, stream=True)
    return (
        yield Deferred(
            lambda: read(Stream(call, at_hand(chunks), original)),
            lambda: read_later(Stream(call, at_hand_later(chunks), original)),
        )
    )
