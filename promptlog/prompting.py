"""The part of the client that knows prompts: `templates`, and `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.prompts.runs import Runs
from promptlog.prompts.steps import at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.database.store import Store
    from promptlog.journal.writer import Writer
    from promptlog.prompts.registry import Registry
    from promptlog.prompts.replay import Replay
    from promptlog.prompts.templates import Templates
    from promptlog.providers.protocol import Provider


class Prompting:
    """What `PromptLog` does with prompts."""

    _providers: Mapping[str, Any] | None
    _replay: Replay
    _writer: Writer

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    def _append_line(self, body: bytes) -> bool:
        raise NotImplementedError

    def _provider_of(self, name: str, api_type: str | None) -> Provider:
        """Return the provider of a name, one for the life of the client: its SDK's client keeps connections."""
        kept: dict[tuple[str, str | None], Provider] = self.__dict__.setdefault("_providers_kept", {})
        found = kept.get((name, api_type))
        if found is None:
            from promptlog.providers.choose import provider_for

            made = provider_for(name, self._providers, api_type=api_type)
            found = kept.setdefault((name, api_type), made)
        return found

    @property
    def templates(self) -> Templates:
        """The prompts: `.publish({...})`, `.get(name, params)`, `.all()`, `.versions(name)`, `.label(name, label)`."""
        from promptlog.prompts.templates import Templates

        return Templates(self._registry, self._provider_of, self._writer.now_us)

    def _registry(self) -> Registry:
        from promptlog.prompts.registry import registry_for

        return registry_for(self._store)

    @property
    def _runs(self) -> Runs:
        runs = self.__dict__.get("_runs_of")
        if runs is None:
            runs = self.__dict__["_runs_of"] = Runs(
                self._registry(), self._provider_of, self._store, self._append_line, self._replay
            )
        return runs

    run = at_once(Runs.run, "_runs")
