"""Where a store or a source lies changes nothing of what is in it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from promptlog import PromptLog, errors
from promptlog.database.apply import RECORD_TYPES
from tests.samples import request

_NAMES = [f"{name}=5" for name in (*RECORD_TYPES, "problem", "date", "request_start_time")]
_FOLDERS = ["/".join(_NAMES[start : start + 8]) for start in range(0, len(_NAMES), 8)]
_ODD = ["my[1]", "a*b", "it's", 'say "hi"', "{x}", "$HOME", "~", "a;b", "100%"]


@pytest.mark.parametrize("folder", [*_FOLDERS, *_ODD])
def test_a_folders_name_is_no_value_and_no_pattern(folder: str, tmp_path: Path) -> None:
    """Logged, loaded from dictionaries, from a frame and from a file: every field is what was given."""
    (tmp_path / folder).mkdir(parents=True)
    source = tmp_path / folder / "source.parquet"
    pl.DataFrame([request()]).write_parquet(source)
    with PromptLog(tmp_path / folder / f"{Path(folder).name}.duckdb") as client:
        client.log_request(**request(metadata={"k": "v"}))
        client.log_many([dict(request())])
        client.log_many(pl.DataFrame([request()]))
        client.log_many(source)
        for found in client.requests:
            assert (found.model, found.provider, found.status) == ("gpt-4o", "openai", "SUCCESS")
            assert (found.input_text, found.latency_ms) == ("How do I bake a cake?", 500.0)
        assert client.requests.count() == 4


@pytest.mark.parametrize("letter", ["?", "\\"])
def test_a_path_that_duckdb_cannot_take_is_refused_at_once(letter: str, tmp_path: Path) -> None:
    """Not after something was logged there that no question could ever reach."""
    with pytest.raises(errors.InvalidInputError, match="DuckDB reads as something else"):
        PromptLog(tmp_path / f"a{letter}b.duckdb")
