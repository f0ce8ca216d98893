"""A version of a prompt, as it is kept in a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlog.identifiers import prompt_id

if TYPE_CHECKING:
    from datetime import datetime

    from promptlog.prompts.template import Template


@dataclass(frozen=True, slots=True)
class Published:
    """One version of a prompt, read: its snippets in their places, its texts compiled."""

    name: str
    version: int
    label: str | None  # by which it was asked for
    template: Template
    metadata: dict[str, Any]
    commit_message: str | None
    tags: list[str]
    snippets: list[dict[str, Any]]
    published_at: datetime

    @property
    def id(self) -> int:
        """The prompt's number."""
        return prompt_id(self.name)
