"""`client.templates`: PromptLayer's prompt registry, in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from datetime import UTC
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, UnusedVariableWarning, warn
from promptlog.identifiers import prompt_id
from promptlog.models.checks import check_count, check_dict, check_text
from promptlog.prompts.snippets import Reference

if TYPE_CHECKING:
    from promptlog.database.prompts import PromptRow
    from promptlog.prompts.published import Published
    from promptlog.prompts.registry import Registry
    from promptlog.providers.protocol import Provider

_PARAMS = (
    "version", "label", "provider", "model", "input_variables", "metadata_filters", "model_parameter_overrides",
    "skip_input_variable_rendering", "workspace_id",
)  # fmt: skip


class Templates:
    """Prompts under names; each publishing makes a version, counted up from 1, and labels move between versions."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        provider_of: Callable[[str, str | None], Provider],
        now_us: Callable[[], int],
    ) -> None:
        self._registry_of = registry
        self._provider_of = provider_of
        self._now_us = now_us

    @property
    def _registry(self) -> Registry:
        return self._registry_of()  # DuckDB is imported here, and not before

    def publish(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a prompt, and return the version that it is.

        Args:
            body: PromptLayer's.
                prompt_name: what it is run by.
                prompt_template: `{"type": "chat", "messages": [{"role": "user", "content": …, "template_format":
                    "jinja2"}]}` or `{"type": "completion", "content": …}`; content is text or a list of blocks; the
                    format is "f-string" unless told.
                metadata: any JSON; `{"model": {"provider": "openai", "name": "gpt-4o", "parameters": {…}}}` says what
                    it runs on.
                release_labels: labels to put on this version, taking them off others.
                tags, commit_message: kept with it.

        Returns:
            what `get` returns of it, and PromptLayer's `version_number` and `prompt_version_id`. Where template and
            metadata are those of the newest version, that one is returned, and no version is made.

        Raises:
            TemplateError: a text cannot be read, a snippet leads back here, or the shape is wrong; says where.
            InvalidInputError: another part is wrong. Nothing was written.
            StoreBusyError, StoreError: the store could not be had or written.
        """
        row, labels = self._registry.publish(body, self._now_us())
        shown = _shown(row, labels)
        return {**shown, "version_number": row.version, "prompt_version_id": row.version}

    def restore(self, versions: Iterable[Mapping[str, Any]]) -> int:
        """Write versions of prompts under the numbers that they have elsewhere, and return how many were not here yet.

        Args:
            versions: as `versions`, `all` and PromptLayer's API return them: `prompt_name`, `version`, `prompt_template`, and
                what else is known of `metadata`, `tags`, `commit_message`, `release_labels` and `published_at`. A version
                that is here, and a label that is on another version, stay as they are.

        Raises:
            InvalidInputError: one is wrong; nothing was written.
        """
        return self._registry.restore(versions, self._now_us())

    def get(self, prompt_name: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a prompt: its newest version, or the one that `params` asks for.

        Args:
            prompt_name: its name.
            params: PromptLayer's `version`, `label`, `input_variables` (the template is then rendered), `provider`,
                `model`, `model_parameter_overrides`.

        Returns:
            `id`, `prompt_name`, `version`, `prompt_template` with snippets in their places, `metadata` with the model
            that was asked for, `llm_kwargs` (the keyword arguments of the provider's SDK; None without a model, or
            where the prompt names a provider that this client has not),
            `commit_message`, `tags`, `snippets`, `warning` (of variables that it does not name), and what PromptLayer
            has and a store does not: `provider_base_url`, `workspace_id`, both None.

        Raises:
            PromptNotFoundError: there is no such prompt, version or label; the message has the nearest.
            TemplateError: it cannot be rendered with these variables.
        """
        asked = check_dict(dict(params) if isinstance(params, Mapping) else params or {}, "params")
        for key in asked:
            if key not in _PARAMS:
                raise InvalidInputError(f"params has {key!r}; templates.get knows {', '.join(_PARAMS)}")
        for key in ("provider", "model"):
            if asked.get(key):
                check_text(asked[key], key)
        if asked.get("model_parameter_overrides"):
            check_dict(asked["model_parameter_overrides"], "model_parameter_overrides")
        version, label = asked.get("version"), asked.get("label")
        prompt = self._registry.get(
            Reference(
                check_text(prompt_name, "prompt_name"),
                None if version is None else check_count(version, "version", least=1),
                None if label is None else check_text(label, "label"),
            )
        )
        return self._got(prompt, asked)

    def _got(self, prompt: Published, asked: dict[str, Any]) -> dict[str, Any]:
        variables, warning = asked.get("input_variables"), None
        template = deepcopy(prompt.template.source)
        if variables is not None and not asked.get("skip_input_variable_rendering"):
            variables = check_dict(variables, "input_variables")
            template = deepcopy(prompt.template.render(variables))
            if warning := prompt.template.warning(variables):
                warn(warning, UnusedVariableWarning)
        metadata = deepcopy(prompt.metadata)
        own = metadata.get("model") or {}
        model: dict[str, Any] = {
            "provider": asked.get("provider") or own.get("provider"),
            "name": asked.get("model") or own.get("name"),
            "parameters": {**(own.get("parameters") or {}), **(asked.get("model_parameter_overrides") or {})},
        }
        kwargs = None
        if model["provider"] and model["name"]:
            metadata["model"] = {**own, **model}
            api_type = own.get("api_type") if model["provider"] == own.get("provider") else None
            try:
                provider = self._provider_of(model["provider"], api_type)
            except InvalidInputError:
                if asked.get("provider"):
                    raise
                # The prompt is for another program, which has a provider of that name.
            else:
                kwargs = provider.request(template, model["name"], model["parameters"])
        return {
            "id": prompt.id,
            "prompt_name": prompt.name,
            "version": prompt.version,
            "prompt_template": template,
            "metadata": metadata,
            "llm_kwargs": kwargs,
            "commit_message": prompt.commit_message,
            "tags": list(prompt.tags),
            "snippets": deepcopy(prompt.snippets),
            "warning": warning,
            "provider_base_url": None,
            "workspace_id": None,
        }

    def all(self, page: int = 1, per_page: int = 30, label: str | None = None) -> list[dict[str, Any]]:
        """Return the newest version of each prompt, in the order of names; with a label, the versions that have it.

        Args:
            page: which part of the list, counted from 1.
            per_page: how many at most.
            label: only prompts with this label.

        Each has `created_at`, when its first version was published, and `is_snippet`, whether another prompt includes it.
        """
        page, per_page = check_count(page, "page", least=1), check_count(per_page, "per_page", least=1)
        if label is not None:
            label = check_text(label, "label")
        return [
            {
                **_shown(one.row, one.labels),
                "created_at": one.begun.replace(tzinfo=UTC),
                "is_snippet": one.is_snippet,
            }
            for one in self._registry.all(page, per_page, label)
        ]

    def names(self) -> dict[int, str]:
        """Return the names of all prompts, each under the prompt's number (`id`)."""
        return dict(self._registry.names())

    def versions(self, prompt_name: str) -> list[dict[str, Any]]:
        """Return all versions of a prompt as they were published, the newest first.

        Raises:
            PromptNotFoundError: there is no such prompt.
        """
        return [
            _shown(row, labels)
            for row, labels in self._registry.versions(check_text(prompt_name, "prompt_name"))
        ]

    def label(self, prompt_name: str, label: str, version: int | None = None) -> int:
        """Put a label on a version, taking it off another, and return the version: the newest unless told.

        Raises:
            PromptNotFoundError: there is no such prompt or version.
        """
        number = None if version is None else check_count(version, "version", least=1)
        return self._registry.label(check_text(prompt_name, "prompt_name"), label, number, self._now_us())

    def labels(self, prompt_name: str | None = None) -> list[dict[str, Any]]:
        """Return the labels of a prompt, or of all prompts: `prompt_name`, `label`, `version` and `updated_at` of each.

        Raises:
            PromptNotFoundError: there is no such prompt.
        """
        name = None if prompt_name is None else check_text(prompt_name, "prompt_name")
        return [
            {"prompt_name": of, "label": label, "version": on, "updated_at": when.replace(tzinfo=UTC)}
            for of, label, on, when in self._registry.labels(name)
        ]

    def used_by(self, prompt_name: str, version: int | None = None) -> list[dict[str, Any]]:
        """Return which versions of which prompts include a prompt: `prompt_name`, `version` and `release_labels` of each.

        Args:
            prompt_name: what is included.
            version: only where this version of it is meant, by its number, by a label that it has, or as the newest.

        Raises:
            PromptNotFoundError: there is no such prompt or version.
        """
        number = None if version is None else check_count(version, "version", least=1)
        return [
            {"prompt_name": row.prompt_name, "version": row.version, "release_labels": labels}
            for row, labels in self._registry.used_by(check_text(prompt_name, "prompt_name"), number)
        ]

    def unlabel(self, prompt_name: str, label: str) -> None:
        """Take a label off a prompt.

        Raises:
            PromptNotFoundError: there is no such prompt, or it has no such label.
        """
        self._registry.unlabel(check_text(prompt_name, "prompt_name"), check_text(label, "label"))

    def invalidate(self, prompt_name: str | None = None) -> None:  # noqa: ARG002 - PromptLayer's argument
        """Forget what this process has read of prompts. Never needed: publishing is seen by every process at once."""
        self._registry.forget()


def _shown(row: PromptRow, labels: list[str]) -> dict[str, Any]:
    return {
        "id": prompt_id(row.prompt_name),
        "prompt_name": row.prompt_name,
        "version": row.version,
        "prompt_template": row.template,
        "metadata": row.metadata,
        "commit_message": row.commit_message,
        "tags": list(row.tags),
        "release_labels": labels,
        "published_at": row.published_at.replace(tzinfo=UTC),
    }
