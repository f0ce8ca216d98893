"""Prompts under names and versions: published, found, and kept read in this process until one is published again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from promptlog.database.prompts import PromptRow, Prompts, reading, writing
from promptlog.errors import InvalidInputError, PromptNotFoundError, StoreUnwritableError
from promptlog.identifiers import prompt_id, to_us
from promptlog.models.checks import check_count, check_dict, check_tags, check_text
from promptlog.models.encode import encode
from promptlog.prompts.published import Published
from promptlog.prompts.snippets import Included, Reference, expand, references
from promptlog.prompts.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from promptlog.database.store import Store

_MOST_KEPT = 1000
_MOST_NAME_CHARS = 512  # PromptLayer's limit

_TAKEN = ("prompt_name", "prompt_template", "tags", "commit_message", "metadata", "release_labels")
_IGNORED = frozenset(  # PromptLayer's own, which say nothing here
    ("folder_id", "inference_client_name", "parent_version_id", "provider_base_url_name", "provider_id", "report_id", "workspace_id")
)  # fmt: skip


class Listed(NamedTuple):
    """A prompt as it stands in a list: a version, its labels, when the first was published, whether others include it."""

    row: PromptRow
    labels: list[str]
    begun: datetime
    is_snippet: bool


class Registry:
    """The prompts of a store, for one process.

    What was read is kept. Each change of prompts, by any process, changes a small file; looking at that is
    what finding a prompt costs.
    """

    def __init__(self, store: Store) -> None:
        self._stamp_path = str(store.paths.prompts_stamp)  # a text: a `Path` is made into one at each run
        self._store = store
        # One value, so that no thread takes the prompts of one stamp for those of another.
        self._read: tuple[Stamp | None, dict[Reference, Published]] = (None, {})
        self._names: tuple[Stamp | None, dict[int, str]] | None = None

    def kept(self, reference: Reference) -> Published | None:
        """Return a prompt where this process has read it and none was published since."""
        stamp, kept = self._read
        return kept.get(reference) if stamp is not None and stamp == stamp_of(self._stamp_path) else None

    def get(self, reference: Reference) -> Published:
        """Return a prompt.

        Raises:
            PromptNotFoundError: there is none; the message has the nearest names.
            TemplateError: one that it includes leads back to it.
            StoreError: the store cannot be asked.
        """
        found = self.kept(reference)
        if found is not None:
            return found
        with reading(self._store) as prompts:
            stamp = stamp_of(self._stamp_path)  # nobody publishes while we read
            if stamp != self._read[0] or len(self._read[1]) > _MOST_KEPT:
                self._read = stamp, {}
            found = self._read[1][reference] = _read(prompts, reference)
        return found

    def forget(self) -> None:
        """Read everything anew from now on."""
        self._read = None, {}
        self._names = None

    def names(self) -> dict[int, str]:
        """Return the names of all prompts, each under its number. The store is asked where one was published since."""
        kept = self._names
        if kept is None or kept[0] != stamp_of(self._stamp_path):
            with reading(self._store) as prompts:
                stamp = stamp_of(self._stamp_path)  # nobody publishes while we read
                kept = self._names = stamp, {prompt_id(name): name for name in prompts.names()}
        return kept[1]

    def publish(self, body: object, now_us: int) -> tuple[PromptRow, list[str]]:
        """Write a version where its content is not that of the newest, set its labels, and return it with them.

        Raises:
            InvalidInputError: the body is wrong; nothing was written.
            StoreError: the store cannot be written.
        """
        labels, row = _checked(body)
        now = _moment(now_us)
        with self._writing() as prompts:
            whole, _ = expand(row.template, row.prompt_name, lambda reference: _included(prompts, reference))
            Template(whole, row.prompt_name)
            newest = prompts.find(row.prompt_name, None, None)
            if newest is None or newest.content_hash != row.content_hash:
                newest = row._replace(version=newest.version + 1 if newest else 1, published_at=now)
                prompts.add(newest)
            for label in labels:
                prompts.set_label(newest.prompt_name, label, newest.version, now)
        return newest, labels

    def restore(self, bodies: Iterable[Mapping[str, Any]], now_us: int) -> int:
        """Write versions that are not here, under their numbers, and labels that are not; return how many versions."""
        found = []
        for body in bodies:
            labels, row = _checked({name: body[name] for name in _TAKEN if name in body})
            when = body.get("published_at") or body.get("created_at")
            found.append(
                (
                    row._replace(
                        version=check_count(body.get("version"), "version", least=1),
                        published_at=_moment(now_us if when is None else to_us(when, "published_at")),
                    ),
                    labels,
                )
            )
        added = 0
        with self._writing() as prompts:
            for row, labels in found:
                if prompts.find(row.prompt_name, row.version, None) is None:
                    prompts.add(row)
                    added += 1
                for label in labels:
                    if label not in prompts.labels(row.prompt_name):
                        prompts.set_label(row.prompt_name, label, row.version, row.published_at)
        return added

    def all(self, page: int, per_page: int, label: str | None) -> list[Listed]:
        """Return a page of the newest versions, or of those with a label."""
        with reading(self._store) as prompts:
            rows = prompts.newest(label, per_page, (page - 1) * per_page)
            labels: dict[tuple[str, int], list[str]] = {}
            for name, on, version, _ in prompts.labellings(None):
                labels.setdefault((name, version), []).append(on)
            begun = prompts.beginnings()
            included = {one.name for row in prompts.with_text("@@@") for one in references(row.template)}
            return [
                Listed(row, labels.get((name, row.version), []), begun[name], name in included)
                for row in rows
                for name in (row.prompt_name,)
            ]

    def versions(self, name: str) -> list[tuple[PromptRow, list[str]]]:
        """Return all versions of a prompt, the newest first, each with its labels.

        Raises:
            PromptNotFoundError: there is no such prompt.
        """
        with reading(self._store) as prompts:
            rows = prompts.versions(name)
            if not rows:
                raise PromptNotFoundError.named(name, prompts.names())
            labels = prompts.labels(name)
            return [(row, _labels_of(labels, row.version)) for row in rows]

    def labels(self, name: str | None) -> list[tuple[str, str, int, datetime]]:
        """Return each label of a prompt, or of all: prompt, label, version, and when it came there.

        Raises:
            PromptNotFoundError: there is no such prompt.
        """
        with reading(self._store) as prompts:
            if name is not None:
                _row(prompts, Reference(name))
            return prompts.labellings(name)

    def used_by(self, name: str, version: int | None) -> list[tuple[PromptRow, list[str]]]:
        """Return the versions of prompts that include a prompt, or one version of it, each with its labels.

        Raises:
            PromptNotFoundError: there is no such prompt or version.
        """
        with reading(self._store) as prompts:
            newest = _row(prompts, Reference(name)).version
            if version is not None:
                _row(prompts, Reference(name, version))
            labels = prompts.labels(name)

            def meant(one: Reference) -> bool:
                points_at = one.version or (newest if one.label is None else labels.get(one.label))
                return one.name == name and version in (None, points_at)

            rows = [row for row in prompts.with_text("@@@") if any(map(meant, references(row.template)))]
            return [(row, _labels_of(prompts.labels(row.prompt_name), row.version)) for row in rows]

    def label(self, name: str, label: str, version: int | None, now_us: int) -> int:
        """Move a label to a version, the newest unless told, and return that.

        Raises:
            PromptNotFoundError: there is no such prompt or version.
        """
        now = _moment(now_us)
        with self._writing() as prompts:
            found = _row(prompts, Reference(name, version))
            prompts.set_label(name, check_label(label), found.version, now)
        return found.version

    def unlabel(self, name: str, label: str) -> None:
        """Take a label off a prompt.

        Raises:
            PromptNotFoundError: there is no such prompt or label.
        """
        with self._writing() as prompts:
            _row(prompts, Reference(name, None, label))
            prompts.remove_label(name, label)

    def _writing(self) -> Any:
        return writing(self._store, self._touch)

    def _touch(self) -> None:
        """Change the stamp, while the store is ours and before others can see what changed.

        Its size counts the changes: some file systems keep the time to the second.
        """
        try:
            with self._store.paths.prompts_stamp.open("ab") as file:
                file.write(b".")
        except OSError as error:
            raise StoreUnwritableError(f"{self._stamp_path} cannot be written: {error.strerror}") from error


Stamp = tuple[int, int, int]

_registries: dict[Path, Registry] = {}


def registry_for(store: Store) -> Registry:
    """Return this process's one registry of a store."""
    found = _registries.get(store.paths.database)
    if found is None:
        found = _registries.setdefault(store.paths.database, Registry(store))
    return found


def stamp_of(path: str) -> Stamp | None:
    """Return what changes with each change of prompts; None where none was ever published."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half of what Path.stat costs, at each run
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _moment(us: int) -> datetime:
    """Return a time as the tables have it: in UTC, without a zone."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).replace(tzinfo=None)


def _row(prompts: Prompts, reference: Reference) -> PromptRow:
    found = prompts.find(*reference)
    if found is not None:
        return found
    name, version, label = reference
    versions = [row.version for row in prompts.versions(name)]
    if not versions:
        raise PromptNotFoundError.named(name, prompts.names())
    if label is not None and label not in (labels := prompts.labels(name)):
        raise PromptNotFoundError.labelled(name, label, list(labels))
    if version not in versions:
        raise PromptNotFoundError(f"prompt {name!r} has no version {version}; its newest is {versions[0]}")
    raise PromptNotFoundError(
        f"prompt {name!r}: the label {label!r} is on version {labels[str(label)]}, not {version}"
    )


def _included(prompts: Prompts, reference: Reference) -> Included:
    found = _row(prompts, reference)
    return Included(found.version, found.template)


def _read(prompts: Prompts, reference: Reference) -> Published:
    row = _row(prompts, reference)
    whole, snippets = expand(row.template, row.prompt_name, lambda one: _included(prompts, one))
    return Published(
        row.prompt_name, row.version, reference.label, Template(whole, row.prompt_name), row.metadata,
        row.commit_message, row.tags, snippets, row.published_at.replace(tzinfo=UTC),
    )  # fmt: skip


def _labels_of(labels: dict[str, int], version: int) -> list[str]:
    return [label for label, on in labels.items() if on == version]


def check_label(label: object) -> str:
    """Return a label that can be one."""
    return check_text(label, "a label")


def check_name(name: object) -> str:
    """Return a name that a prompt can have."""
    name = check_text(name, "prompt_name")
    if len(name) > _MOST_NAME_CHARS or "@@@" in name:
        raise InvalidInputError(
            f"prompt_name has up to {_MOST_NAME_CHARS} characters and no '@@@', got {name[:80]!r}"
        )
    return name


def _checked(body: object) -> tuple[list[str], PromptRow]:
    """Return the labels and the row of what is to be published, without its version."""
    given = check_dict(dict(body) if isinstance(body, Mapping) else body, "what is published")
    for key in given:
        if key not in _TAKEN and key not in _IGNORED:
            raise InvalidInputError(f"publish takes no {key!r}; it takes {', '.join(_TAKEN)}")
    if "prompt_name" not in given or "prompt_template" not in given:
        raise InvalidInputError("publish needs prompt_name and prompt_template")
    name = check_name(given["prompt_name"])
    template = Template(given["prompt_template"], name).source
    metadata = check_dict(given.get("metadata") or {}, "metadata")
    check_model(metadata)
    message = given.get("commit_message")
    if message is not None and not isinstance(message, str):
        raise InvalidInputError(f"commit_message must be a string, got {type(message).__name__}")
    labels = given.get("release_labels") or []
    if not isinstance(labels, str | list | tuple):
        raise InvalidInputError(f"release_labels must be a list of strings, got {type(labels).__name__}")
    labels = [check_label(label) for label in ([labels] if isinstance(labels, str) else labels)]
    plain = json.loads(encode({"prompt_template": template, "metadata": metadata}))
    hashed = json.dumps([plain["prompt_template"], plain["metadata"]], sort_keys=True).encode()
    row = PromptRow(
        name, 0, plain["prompt_template"], plain["metadata"], message, check_tags(given.get("tags") or []),
        hashlib.blake2b(hashed, digest_size=16).hexdigest(), _moment(0),
    )  # fmt: skip
    return labels, row


def check_model(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata whose `model` does not say which it is.

    Raises:
        InvalidInputError: provider or name are no text, or parameters no dict.
    """
    model = metadata.get("model")
    if model is None:
        return
    model = check_dict(model, "metadata.model")
    for part in ("provider", "name", "api_type"):
        if model.get(part) is not None:
            check_text(model[part], f"metadata.model.{part}")
    check_dict(model.get("parameters") or {}, "metadata.model.parameters")
