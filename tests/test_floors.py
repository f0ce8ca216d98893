"""The house stands: who imports whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import promptlog

ROOT = Path(promptlog.__file__).parent

#: Each room by its floor; a room imports its own and those below.
FLOORS = {
    "errors": 0, "identifiers": 0, "settings": 0, "models": 0, "context": 0, "html": 0,
    "journal": 1, "expressions": 1, "providers": 1, "tracing": 1,
    "database": 2,
    "query": 3, "transfer": 3, "plots": 3, "prompts": 3,
    "client": 4, "track": 4, "overview": 4, "prompting": 4, "instrument": 4, "async_client": 4, "promptlog": 4,
    "cli": 5, "otel": 5, "server": 5, "__main__": 5,
}  # fmt: skip

MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def room(module: str) -> str:
    """Return the room of `promptlog.room.more`; the package itself is the face."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "promptlog"


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            deeper = (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "promptlog"
                else set()
            )
            found |= {name for name in deeper if room(name) in FLOORS} or {node.module}
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_floor_imports_only_its_own_and_those_below(module: Path) -> None:
    """No module reaches up the stairs."""
    name = ".".join(("promptlog", *module.with_suffix("").parts)).removesuffix(".__init__")
    if name == "promptlog":
        return  # it opens every room's door, lazily
    mine = FLOORS[room(name)]
    above = {
        other
        for other in imports(ROOT / module)
        if other.startswith("promptlog") and FLOORS[room(other)] > mine
    }
    assert not above, f"{name} (floor {mine}) imports {above}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_only_database_and_query_know_duckdb(module: Path) -> None:
    """The driver has one door; `query` names its types beside it."""
    if module.parts[0] not in {"database", "query"}:
        assert not {other for other in imports(ROOT / module) if other.split(".")[0] == "duckdb"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_an_edge_stays_out_of_the_engine_room(module: Path) -> None:
    """The shell, OpenTelemetry and the server speak to the client, and to floors 0 and 1."""
    if module.parts[0] in {"cli", "otel", "server"}:
        rooms = {room(other) for other in imports(ROOT / module) if other.startswith("promptlog")}
        assert not rooms & {"database", "query", "journal"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_stay_small(module: Path) -> None:
    """A module has under 400 lines, a function under 70 with its docstring, which may be the longer half."""
    text = (ROOT / module).read_text()
    assert len(text.splitlines()) < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args.kwonlyargs
            lines = (node.end_lineno or 0) - node.lineno - len(arguments)
            assert lines < 70, f"{node.name} has {lines} lines"


def test_the_drawing_names_every_room() -> None:
    """The package's docstring shows the house as it stands."""
    for name in FLOORS:
        if name != "promptlog":
            assert name in (promptlog.__doc__ or "")
