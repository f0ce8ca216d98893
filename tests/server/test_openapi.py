"""The description of the API: whole, and true."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from promptlog.server.otlp import otlp_routes
from promptlog.server.rest import rest_routes

if TYPE_CHECKING:
    from pathlib import Path


def test_every_door_is_described(tmp_path: Path) -> None:
    """Each path and method of the server but those of what there is not, and no others."""
    with TestClient(make_app(PromptLog(tmp_path / "a.duckdb")), base_url="http://localhost") as browser:
        told = browser.get("/openapi.json").json()["paths"]
        page = browser.get("/openapi")
    doors = {
        (route.path.replace(":path", ""), method.lower())  # type: ignore[attr-defined]
        for route in [*rest_routes(), *otlp_routes()]
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    assert {(path, method) for path, methods in told.items() for method in methods} == doors
    assert page.status_code == 200
    assert all(path in page.text for path in told)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::promptlog.errors.UnusedVariableWarning"
)  # as `serve` has it: the answer says so
def test_nothing_that_can_be_sent_breaks_the_server(tmp_path: Path) -> None:
    """schemathesis: what fits the description and what does not is answered as described, and never by a server error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other packages' deprecations
        import schemathesis
        from hypothesis import HealthCheck, given, settings
        from hypothesis.errors import Unsatisfiable
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    client = PromptLog(tmp_path / "a.duckdb")
    client.templates.publish(
        {"prompt_name": "a", "prompt_template": {"type": "completion", "content": "{x}"}}
    )
    schema: Any = schemathesis.openapi.from_asgi("/openapi.json", make_app(client, hosts=["testserver"]))
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: Any) -> None:
                nonlocal tried
                tried += 1
                case.call_and_validate(checks=checks)

            with suppress(Unsatisfiable):  # there are operations in which nothing can be wrong
                one()
    assert tried > 600
