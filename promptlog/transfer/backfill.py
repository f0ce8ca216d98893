"""`backfill`: metadata onto requests that are there, from a table that is joined with them."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlog.database.backfill import (
    Target,
    apply_chunk,
    export_targets,
    match,
    stage_columns,
    stage_lines,
)
from promptlog.errors import InvalidInputError, UnknownColumnError
from promptlog.expressions.face import Expression
from promptlog.expressions.nodes import ColumnOperand, MetaOperand
from promptlog.journal.staging import staging_folder
from promptlog.models.checks import check_keys
from promptlog.models.columns import COLUMNS
from promptlog.transfer.files import KNOWN_FILES, LINE_FILES, TABLE_FILES, read_lines
from promptlog.transfer.progress import progress_bar
from promptlog.transfer.rows import is_missing, stage_rows, text_cells

if TYPE_CHECKING:
    from promptlog.database.store import Store
    from promptlog.journal.writer import Writer

_TEXTS = {"string", "large_string", "string_view"}
_MATCHABLE = {name for name, column in COLUMNS.items() if column.kind != "time"} - {
    "input", "output", "input_text", "output_text", "parameters", "input_variables",
}  # fmt: skip

On = str | Expression | Sequence["str | Expression"] | Mapping[str, "str | Expression"]


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill did, or with `dry_run` would do."""

    rows: int
    """Rows read."""
    matched: int
    """Rows that at least one request matches."""
    unmatched: int
    """Rows that none matches; those without a value to match by are among them."""
    requests: int
    """Requests that a row matches."""
    inserted: int
    """Values of keys that the requests did not have."""
    replaced: int
    """Values that are another than before."""
    unchanged: int
    """Values that stood there already, or were kept because of `overwrite=False`."""
    dry_run: bool = False
    """Whether nothing was written."""
    sample: list[dict[str, Any]] = field(default_factory=list)
    """What the first few unmatched rows are matched by."""

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        missing = ""
        if self.unmatched:
            shown = "; ".join(
                ", ".join(f"{name} {value!r}" for name, value in row.items()) for row in self.sample
            )
            rows = "row matches" if self.unmatched == 1 else "rows match"
            missing = f"\n{self.unmatched:,} {rows} no request, such as {shown}"
        return (
            f"{self.rows:,} rows read, {self.matched:,} of them match {self.requests:,} requests\n"
            f"{self.inserted:,} values {would}inserted, {self.replaced:,} {would}replaced, {self.unchanged:,} unchanged{missing}"
        )


def backfill(
    store: Store,
    writer: Writer,
    source: Any,
    on: Any,
    *,
    keys: Iterable[str] | None,
    overwrite: bool,
    cast: bool,
    dry_run: bool,
    progress: bool | None,
) -> BackfillReport:
    """Do what `PromptLog.backfill` says."""
    for name, flag in (("overwrite", overwrite), ("cast", cast), ("dry_run", dry_run)):
        if not isinstance(flag, bool):
            raise InvalidInputError(f"{name} is True or False, got {flag!r}")
    targets = _targets(on)
    taken = None if keys is None else check_keys(keys)
    with staging_folder(store.paths) as folder:
        with progress_bar("reading", None, wanted=progress):
            _stage(folder, source, targets, taken, cast=cast)
        with progress_bar("matching", None, wanted=progress):
            now_us = writer.now_us()
            with store.ask("matching a backfill") as connection:
                export_targets(connection, folder, targets)
            found = match(folder, targets)
        inserted = replaced = unchanged = 0
        with progress_bar("writing", len(found.chunks), wanted=progress) as advance:
            for chunk in found.chunks:
                changes = apply_chunk(store, chunk, now_us, overwrite=overwrite, dry_run=dry_run)
                inserted, replaced, unchanged = (
                    inserted + changes.inserted, replaced + changes.replaced, unchanged + changes.unchanged
                )  # fmt: skip
                shutil.rmtree(chunk)
                advance(1)
    return BackfillReport(
        found.rows, found.matched, found.rows - found.matched, found.requests, inserted, replaced, unchanged,
        dry_run, found.sample,
    )  # fmt: skip


# -- on --------------------------------------------------------------------------------------------------------


def _targets(on: Any) -> list[Target]:
    if isinstance(on, Mapping):
        pairs = [(column, _operand(target)) for column, target in on.items()]
    else:
        several = on if isinstance(on, Sequence) and not isinstance(on, str) else [on]
        operands = [_operand(target) for target in several]
        pairs = [
            (operand.key if isinstance(operand, MetaOperand) else operand.name, operand)
            for operand in operands
        ]
    if not pairs:
        raise InvalidInputError(
            "on is empty; give 'request_id', meta('user_id'), col.prompt_name, or several"
        )
    for column, _ in pairs:
        if not isinstance(column, str):
            raise InvalidInputError(f"on names the source's columns by strings, got {column!r}")
    if len({column for column, _ in pairs}) < len(pairs):
        raise InvalidInputError("on names a column of the source twice")
    return [_target(column, operand) for column, operand in pairs]


def _operand(given: Any) -> ColumnOperand | MetaOperand:
    if isinstance(given, str):
        if given not in COLUMNS:
            raise UnknownColumnError.named(given, list(COLUMNS))
        return ColumnOperand(given)
    operand = given.operand if isinstance(given, Expression) else None
    if isinstance(operand, ColumnOperand) or (isinstance(operand, MetaOperand) and operand.cast == "text"):
        return operand
    raise InvalidInputError(
        f"on takes 'request_id', meta('user_id'), col.prompt_name, or several of these, got {given!r}"
    )


def _target(column: str, operand: ColumnOperand | MetaOperand) -> Target:
    if isinstance(operand, MetaOperand):
        return Target(column, operand.key, "meta")
    if operand.name not in _MATCHABLE:
        raise InvalidInputError(
            f"requests cannot be matched by {operand.name!r}; match by request_id, metadata, or a short column such as "
            f"prompt_name or trace_id"
        )
    found = COLUMNS[operand.name]
    return Target(column, operand.name, found.kind, found.table)


# -- source ----------------------------------------------------------------------------------------------------


def _stage(
    folder: Path, source: Any, targets: Sequence[Target], keys: Sequence[str] | None, *, cast: bool
) -> None:
    if hasattr(source, "__arrow_c_stream__"):  # pandas, polars, Arrow and DuckDB's own all speak it
        if hasattr(source, "dtypes") and hasattr(source, "iloc"):
            source = _one_type_a_column(source, targets, keys, cast=cast)
        if hasattr(source, "read_all") and not cast and _has_other_than_text(source.schema, targets):
            source = (
                source.read_all()
            )  # its wrong cell is looked for in a second pass, and a stream has but one
        stage_columns(folder, source, "frame", targets, keys, cast=cast)
        return
    if isinstance(source, str | os.PathLike):
        paths = _files(source)
        endings = {path.suffix.lower() for path in paths}
        kinds = {TABLE_FILES.get(ending) for ending in endings}
        if len(kinds) == 1 and None not in kinds:
            stage_columns(folder, paths, kinds.pop() or "", targets, keys, cast=cast)
            return
        if not endings <= LINE_FILES:
            raise InvalidInputError(
                f"cannot tell what {str(source)!r} holds; files end in {KNOWN_FILES}, and all of a pattern's alike"
            )
        source = (row for path in paths for row in read_lines(path))
    if not isinstance(source, Iterable) or isinstance(source, dict | bytes):
        raise InvalidInputError(
            f"backfill takes a data frame, an Arrow table, a path or pattern, or an iterable of dicts, got "
            f"{type(source).__name__}"
        )
    lines = folder / "rows.jsonl"
    on = [(target.column, target.kind in ("meta", "text")) for target in targets]
    long = stage_rows(lines, source, on, keys, cast=cast)
    stage_lines(folder, lines, targets, long=long)


def _has_other_than_text(schema: Any, targets: Sequence[Target]) -> bool:
    matched = {target.column for target in targets if target.kind not in ("meta", "text")}
    return any(str(column.type) not in _TEXTS and column.name not in matched for column in schema)


def _one_type_a_column(
    frame: Any, targets: Sequence[Target], keys: Sequence[str] | None, *, cast: bool
) -> Any:
    """Read pandas' columns of strings and other things as dictionaries are read.

    DuckDB would make text of all that stands in them, in its own way and without being told to.
    """
    matched = {target.column: target.kind in ("meta", "text") for target in targets}
    is_long = {*map(str, frame.columns)} == {*matched, "key", "value"}
    read: dict[Any, list[str | None]] = {}
    names = list(frame.columns)
    for name, kind in zip(names, frame.dtypes, strict=True):
        if str(kind) != "object" or (
            len(set(names)) < len(names)
        ):  # a name that stands twice is refused later
            continue
        if keys is not None and name not in keys and name not in matched and not is_long:
            continue
        cells = frame[name].tolist()
        types = {type(cell) for cell in cells if not is_missing(cell)}
        if str in types and len(types) > 1:
            read[name] = text_cells(cells, str(name), cast=cast or not matched.get(name, True))
    if not read:
        return frame
    made = frame.copy(deep=False)
    for name, column in read.items():
        made[name] = column
    return made


def _files(given: str | os.PathLike[str]) -> list[Path]:
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - an absolute pattern
    if not found:
        raise InvalidInputError(f"there is no file {str(path)!r}, and none that matches it as a pattern")
    return found
