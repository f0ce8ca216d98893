"""PromptLayer's search, suggestions, analytics and charts, over a store that is small enough to be asked by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog, foreign_request_id
from promptlog.server.app import make_app
from promptlog.server.rest.fields import seconds
from promptlog.server.rest.filter_table import FIELDS, OPERATORS, UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "/api/public/v2/requests"
CALL = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lima"}'}}
ANSWER = '{"result": {"status": "Approved", "score": 0.95}, "ok": true, "why": "", "none": null}'
START = 1_767_225_600  # 2026-01-01T00:00:00Z


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    client = PromptLog(tmp_path_factory.mktemp("search") / "a.duckdb")
    client.templates.publish(
        {"prompt_name": "cake", "prompt_template": {"type": "completion", "content": "x"}}
    )
    common: dict[str, Any] = {"input": "A chocolate cake", "output": "Take flour"}
    client.log_request(
        **common, provider="openai", model="gpt-4o", request_start_time=START, request_end_time=START + 2, input_tokens=10,
        output_tokens=20, price=0.5, tags=["prod", "chat"], metadata={"user_id": "u1", "plan": "pro"}, score=90,
        prompt_name="cake", prompt_version_number=1, request_id=foreign_request_id("promptlayer", 1),
        prompt_input_variables={"cake": "Chocolate", "size": "8", "user": {"id": 7, "roles": ["a", "b"]}, "note": ""},
    )  # fmt: skip
    client.log_request(
        input="The weather?", output={"role": "assistant", "content": None, "tool_calls": [CALL]}, provider="anthropic",
        model="claude", request_start_time=START + 86_400, request_end_time=START + 86_401, input_tokens=100, status="WARNING",
        metadata={"user_id": "u2"}, tags=["chat"], request_id=foreign_request_id("promptlayer", 2), prompt_id=77,
    )  # fmt: skip
    client.log_request(
        input="Hello", output=ANSWER, provider="openai", model="gpt-4o-mini", request_start_time=START + 172_800,
        request_end_time=START + 172_804, error_type="PROVIDER_TIMEOUT", request_id=foreign_request_id("promptlayer", 3),
    )  # fmt: skip
    with TestClient(make_app(client), base_url="http://localhost") as browser:
        yield browser


def found(server: TestClient, *filters: dict[str, Any], **body: Any) -> set[int]:
    """Return which of the three requests a search finds, by PromptLayer's numbers of them."""
    if filters:
        body["filter_group"] = {"logic": "AND", "filters": list(filters)}
    answer = server.post(f"{BASE}/search", json=body)
    assert answer.status_code == 200, answer.text
    numbers = {foreign_request_id("promptlayer", number): number for number in (1, 2, 3)}
    return {numbers[item["id"]] for item in answer.json()["items"]}


def one(field: str, operator: str, value: Any = None, key: str | None = None) -> dict[str, Any]:
    """Return a filter."""
    return {"field": field, "operator": operator, "value": value, "nested_key": key}


PROMPT = 0  # stands for the number of the prompt "cake", which the test asks for


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (one("pl_id", "is", 2), {2}),
        (one("pl_id", "in", [1, 3, "4"]), {1, 3}),
        (one("engine", "is", "gpt-4o"), {1}),
        (one("engine", "is_not", "gpt-4o"), {2, 3}),
        (one("engine", "in", ["gpt-4o", "claude"]), {1, 2}),
        (one("provider_type", "not_in", ["openai"]), {2}),
        (one("status", "is", "error"), {3}),
        (one("status", "not_in", ["SUCCESS"]), {2, 3}),
        (one("input_text", "contains", "CHOCOLATE"), {1}),
        (one("input_text", "not_contains", "cake"), {2, 3}),
        (one("output_text", "starts_with", "Take"), {1}),
        (one("output_text", "ends_with", "flour"), {1}),
        (one("input_text", "ends_with", "WEATHER?"), set()),
        (one("input_tokens", "eq", 10), {1}),
        (one("input_tokens", "neq", 10), {2, 3}),
        (one("input_tokens", "gt", 10), {2}),
        (one("input_tokens", "lte", 100), {1, 2}),
        (one("input_tokens", "between", [50, 100]), {2}),
        (one("cost", "is_null"), {2, 3}),
        (one("cost", "is_not_null"), {1}),
        (one("cost", "gte", 0.5), {1}),
        (one("latency_ms", "lt", 1500), {2}),
        (one("prompt_version_number", "eq", 1), {1}),
        (one("prompt_id", "eq", 77), {2}),
        (one("prompt_id", "eq", PROMPT), {1}),
        (one("prompt_id", "is_null"), {3}),
        (one("request_start_time", "is", "2026-01-02"), {2}),
        (one("request_start_time", "before", "2026-01-02T00:00:00Z"), {1}),
        (one("request_start_time", "after", "2026-01-02T00:00:00Z"), {3}),
        (one("request_end_time", "between", ["2026-01-01", "2026-01-02"]), {1}),
        (one("is_tool_call", "is_true"), {2}),
        (one("is_tool_call", "is_false"), {1, 3}),
        (one("tool_names", "contains", "get_weather"), {2}),
        (one("tool_names", "is_empty"), {1, 3}),
        (one("is_json", "is_true"), {3}),
        (one("is_json", "is_false"), {1, 2}),
        (one("is_plain_text", "is_true"), {1}),
        (one("is_plain_text", "is_false"), {2, 3}),
        (one("output", "key_equals", "Approved", "result.status"), {3}),
        (one("output", "key_equals", 0.95, "result.score"), {3}),
        (one("output", "key_equals", True, "ok"), {3}),
        (one("output", "key_equals", "get_weather", "tool_calls.function.name"), {2}),
        (one("output", "key_contains", "LIM", "tool_calls.function.arguments.city"), {2}),
        (one("output", "key_not_equals", "Approved", "result.status"), {1, 2}),
        (one("output", "in", ["Approved", 3], "result.status"), {3}),
        (one("output", "not_in", ["Approved"], "result.status"), {1, 2}),
        (one("output", "is_empty", None, "why"), {1, 2, 3}),
        (one("output", "is_not_empty", None, "result.status"), {3}),
        (one("output_keys", "contains", "result.status"), {3}),
        (one("output_keys", "not_contains", "none"), {1, 2, 3}),
        (one("output_keys", "in", ["ok", "tool_calls.id"]), {2, 3}),
        (one("output_keys", "not_in", ["ok"]), {1, 2}),
        (one("output_keys", "is_empty"), {1}),
        (one("output_keys", "is_not_empty"), {2, 3}),
        (one("input_variables", "key_equals", "Chocolate", "cake"), {1}),
        (one("input_variables", "key_equals", 8, "size"), {1}),
        (one("input_variables", "key_contains", "choc", "cake"), {1}),
        (one("input_variables", "key_not_equals", "Plum", "cake"), {1, 2, 3}),
        (one("input_variables", "in", ["b"], "user.roles"), {1}),
        (one("input_variables", "is_empty", None, "note"), {1, 2, 3}),
        (one("input_variable_keys", "contains", "user.id"), {1}),
        (one("input_variable_keys", "is_empty"), {2, 3}),
        (one("tags", "contains", "prod"), {1}),
        (one("tags", "not_contains", "prod"), {2, 3}),
        (one("tags", "in", ["prod", "chat"]), {1, 2}),
        (one("tags", "is_empty"), {3}),
        (one("tags", "is_not_empty"), {1, 2}),
        (one("metadata_keys", "contains", "plan"), {1}),
        (one("metadata_keys", "not_in", ["plan"]), {2, 3}),
        (one("metadata_keys", "is_empty"), {3}),
        (one("metadata", "key_equals", "u1", "user_id"), {1}),
        (one("metadata", "key_not_equals", "u1", "user_id"), {2, 3}),
        (one("metadata", "key_contains", "U", "user_id"), {1, 2}),
        (one("metadata", "in", ["u2", "u3"], "user_id"), {2}),
        (one("metadata", "not_in", ["u2"], "user_id"), {1, 3}),
        (one("metadata", "is_empty", None, "plan"), {2, 3}),
        (one("metadata", "is_not_empty", None, "plan"), {1}),
        (one("error_type", "is", "PROVIDER_TIMEOUT"), {3}),
    ],
    ids=lambda given: f"{given['field']}-{given['operator']}" if isinstance(given, dict) else "",
)  # fmt: skip
def test_each_field_and_operator(server: TestClient, asked: dict[str, Any], expected: set[int]) -> None:
    """It finds what the field's type and the operator say."""
    if asked["value"] == PROMPT and asked["field"] == "prompt_id":
        asked = asked | {"value": server.get("/prompt-templates").json()["items"][0]["id"]}
    assert found(server, asked) == expected


def test_groups_nest(server: TestClient) -> None:
    """AND and OR within each other; an empty group asks for all."""
    either = {"logic": "OR", "filters": [one("engine", "is", "claude"), one("cost", "gt", 0.1)]}
    assert found(server, either, one("tags", "contains", "prod")) == {1}
    assert found(server, either) == {1, 2}
    assert found(server, {"logic": "OR", "filters": []}) == {1, 2, 3}
    assert found(server, filters=[one("engine", "is", "claude")]) == {2}


def test_q_looks_in_what_went_in_and_came_out(server: TestClient) -> None:
    """Each word is in one of them, whatever its case, at its beginning too."""
    assert found(server, q="choc FLOUR") == {1}
    assert found(server, q="weather flour") == set()


def test_every_pair_of_the_table_is_answered(server: TestClient) -> None:
    """No pair of field and operator fails for another reason than its value."""
    for field, (kind, _) in FIELDS.items():
        for operator in OPERATORS[kind]:
            answer = server.post(f"{BASE}/search", json={"filters": [one(field, operator, "x", "k")]})
            assert answer.status_code in (200, 400), (field, operator)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"filters": [one("nothing", "is", 1)]}, r"filters.filters[0].field: there is no field 'nothing'"),
        ({"filters": [one("engine", "gt", 1)]}, "engine takes is"),
        ({"filters": [one("metadata", "key_equals", "u1")]}, "nested_key is missing"),
        ({"filters": [one("output", "key_equals", "x")]}, "nested_key is missing"),
        ({"filters": [one("output", "key_equals", ["x"], "k")]}, "value is text"),
        ({"filters": [one("output_keys", "contains", "")]}, "not empty"),
        ({"filters": [one("input_tokens", "eq", "many")]}, "a number"),
        ({"filters": [one("input_tokens", "between", [1])]}, "a list of two"),
        ({"filters": [one("request_start_time", "is", "soon")]}, "ISO 8601"),
        ({"filter_group": {"logic": "XOR"}}, "AND or OR"),
        ({"sort_by": "cost"}, "come together"),
        ({"sort_by": "colour", "sort_order": "asc"}, "request_start_time"),
        ({"per_page": 0}, "per_page"),
        ({"page": 1_000_000}, "filter, or sort"),
        *(({"filters": [one(field, "is", 1)]}, f"'{field}' cannot be asked here") for field in UNANSWERED),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_named(server: TestClient, body: dict[str, Any], said: str) -> None:
    """400, with the place and the reason."""
    answer = server.post(f"{BASE}/search", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


def test_pages(server: TestClient) -> None:
    """One after the other they hold each request once, in order."""
    seen = []
    for page in (1, 2, 3, 4):
        body = {"page": page, "per_page": 1, "sort_by": "request_start_time", "sort_order": "asc"}
        answer = server.post(f"{BASE}/search", json=body).json()
        assert (answer["total"], answer["pages"], answer["has_next"]) == (3, 3, page < 3)
        seen += [item["engine"] for item in answer["items"]]
    assert seen == ["gpt-4o", "claude", "gpt-4o-mini"]


def test_an_item_has_promptlayers_shape(server: TestClient) -> None:
    """Metadata is a list of objects of one key each, latency is in seconds."""
    item = server.post(f"{BASE}/search", json={"filters": [one("pl_id", "is", 1)]}).json()["items"][0]
    assert item["metadata"] == [{"plan": "pro"}, {"user_id": "u1"}]
    assert item["tags_array"] == ["chat", "prod"]
    assert item["scores"] == [{"name": "default", "score": 90}]
    assert (item["latency"], item["price"], item["prompt_name"]) == (2, 0.5, "cake")
    assert (0.03 / 1000, seconds(0.03)) == (0.000029999999999999997, 0.00003)  # written as it was measured


def test_one_request(server: TestClient) -> None:
    """By our id or by PromptLayer's number; 404 where there is none."""
    whole = server.get(f"{BASE}/1").json()
    assert whole == server.get(f"{BASE}/{foreign_request_id('promptlayer', 1)}").json()
    roles = [message["role"] for message in whole["prompt_blueprint"]["prompt_template"]["messages"]]
    assert roles == ["user", "assistant"]
    assert (whole["tokens"], whole["price"], whole["latency_ms"]) == (30, 0.5, 2000)
    assert server.get(f"{BASE}/99").status_code == 404
    assert server.get(f"{BASE}/chatcmpl-1").status_code == 404
    assert server.get("/api/public/v2/traces/" + "0" * 32).status_code == 404


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ({"field": "engine", "prefix": "GPT"}, ["gpt-4o", "gpt-4o-mini"]),
        ({"field": "tags"}, ["chat", "prod"]),
        ({"field": "metadata_keys", "prefix": "u"}, ["user_id"]),
        ({"field": "metadata_values", "metadata_key": "user_id", "prefix": "U"}, ["u1", "u2"]),
        ({"field": "status", "filter_group": '{"filters":[{"field":"tags","operator":"contains","value":"prod"}]}'}, ["SUCCESS"]),
        ({"field": "prompt"}, ["cake"]),
        ({"field": "prompt", "prompt_id": "77"}, []),
        ({"field": "prompt_id", "prefix": "7"}, ["77"]),
        ({"field": "output_keys", "prefix": "R"}, ["result.score", "result.status"]),
        ({"field": "output_values", "metadata_key": "result.status"}, ["Approved"]),
        ({"field": "tool_names"}, ["get_weather"]),
        ({"field": "input_variable_keys"}, ["cake", "note", "size", "user.id", "user.roles"]),
        ({"field": "input_variable_values", "metadata_key": "user.roles"}, ["a", "b"]),
    ],
    ids=lambda given: given["field"] if isinstance(given, dict) else "",
)  # fmt: skip
def test_suggestions(server: TestClient, query: dict[str, str], values: list[str]) -> None:
    """What begins so, whatever its case; those of a filter's requests where one is given."""
    assert server.get(f"{BASE}/suggestions", params=query).json() == {"success": True, "values": values}


def test_analytics(server: TestClient) -> None:
    """The numbers add up, in PromptLayer's words and units."""
    told = server.post(f"{BASE}/analytics", json={"metadata_cost_breakdown_key": "user_id"}).json()
    assert (told["totalRequests"], told["totalTokens"], told["totalCost"]) == (3, 130, 0.5)
    assert told["averageLatency"] == pytest.approx(7 / 3)
    assert sum(bucket["requests"] for bucket in told["stats"]) == 3
    for name in ("totalCachedTokens", "totalThinkingTokens", "totalTokens"):
        assert isinstance(told[name], int), name
    assert sum(bucket["statusCounts"]["ERROR"] for bucket in told["stats"]) == 1
    assert told["errorTypes"] == [{"errorType": "PROVIDER_TIMEOUT", "requests": 1}]
    assert told["metadataValueBreakdown"][0] == {
        "key": "user_id",
        "value": "u1",
        "label": "u1",
        "requests": 1,
        "cost": 0.5,
    }
    (interval,) = {bucket["date"] for bucket in told["stats"] if bucket["inputTokens"] == 100}
    assert told["modelRequestsByDay"].keys() == {"gpt-4o", "claude", "gpt-4o-mini"}
    assert told["modelRequestsByDay"]["claude"] == [[interval, 1]]
    percentiles = told["latencyByModelByDay"]["claude"]
    assert percentiles.keys() == {"average_latency", "p50_latency", "p90_latency", "p95_latency"}
    assert list(percentiles.values()) == [[[interval, 1]]] * 4
    assert told["latency"]["p95_latency"][interval] == 1
    shapes = [bucket["outputShapeCounts"] for bucket in told["stats"] if bucket["requests"]]
    assert shapes == [{"json": at == 2, "toolCall": at == 1, "plainText": at == 0} for at in range(3)]
    assert {row["key"]: row["requests"] for row in told["outputKeysTop"]}.items() >= {"result.status": 1, "tool_calls.id": 1}.items()  # fmt: skip
    assert told["toolsUsageBars"] == [{"name": "get_weather", "requests": 1}]
    assert told["toolsLatency"] == [
        {"toolName": "get_weather", "requests": 1, "avgLatencySeconds": 1, "minLatencySeconds": 1, "maxLatencySeconds": 1}
    ]  # fmt: skip
    (prompt,) = server.get("/prompt-templates", params={"name": "CAKE"}).json()["items"]
    assert told["mostUsedPromptTemplates"] == [
        {"promptId": str(prompt["id"]), "requests": 1, "promptName": "cake"}
    ]
    assert told["promptBreakdown"][0]["promptId"] == str(prompt["id"])
    assert (
        server.post(f"{BASE}/analytics", json={"filters": [one("engine", "is", "none")]}).json()[
            "totalRequests"
        ]
        == 0
    )


def test_charts(server: TestClient) -> None:
    """A metric by a metadata key, a percentile over time, a ratio of two series."""
    charts = [
        {"id": "users", "title": "", "chartType": "bar", "metric": "sum", "metricField": "input_tokens", "groupByMetadataKey": "user_id"},
        {"id": "p95", "chartType": "line", "metric": "percentile", "metricField": "latency_ms", "percentile": 100, "timeSeries": True},
        {"id": "each", "chartType": "bar",
         "series": [{"key": "cost", "metric": "sum", "metricField": "cost"}, {"key": "n", "metric": "count"}],
         "derivedInsights": [{"type": "ratio", "label": "each", "numeratorSeriesKey": "cost", "denominatorSeriesKey": "n"}]},
        {"id": "models", "chartType": "area", "metric": "count", "groupByField": "engine", "timeSeries": True},
        {"id": "keys", "chartType": "bar", "metric": "sum", "metricField": "input_tokens", "groupByField": "metadata_keys"},
        {"id": "tools", "chartType": "bar", "metric": "count", "groupByField": "tool_names"},
        {"id": "answers", "chartType": "bar", "metric": "count", "groupByField": "output_keys", "limit": 2},
        {"id": "variables", "chartType": "bar", "metric": "count", "groupByField": "input_variable_keys", "limit": 1},
        {"id": "keys_then", "chartType": "bar", "metric": "count", "groupByField": "metadata_keys", "timeSeries": True},
    ]  # fmt: skip
    users, p95, each, models, by_key, tools, answers, variables, keys_then = server.post(
        f"{BASE}/analytics/custom-analytics", json={"customCharts": charts}
    ).json()["customCharts"]
    assert users["data"] == [
        {"label": "u2", "value": 100},
        {"label": "u1", "value": 10},
        {"label": "(none)", "value": 0},
    ]
    assert max(row["value"] or 0 for row in p95["data"]) == 4
    assert p95["series"][0]["unit"] == "duration_seconds"
    assert each["data"] == [{"label": "Overall", "cost": 0.5, "n": 3}]
    assert each["derivedInsights"] == [charts[2]["derivedInsights"][0] | {"value": pytest.approx(0.5 / 3)}]  # type: ignore[index]
    assert (users["title"], p95["title"]) == ("users", "p95")
    keys = [one["key"] for one in models["series"]]
    assert sorted(keys) == ["claude", "gpt-4o", "gpt-4o-mini"]
    assert [sum(row[key] for row in models["data"]) for key in keys] == [1, 1, 1]
    assert by_key["data"] == [{"label": "user_id", "value": 110}, {"label": "plan", "value": 10}]
    assert tools["data"] == [{"label": "get_weather", "value": 1}]
    assert [row["value"] for row in (*answers["data"], *variables["data"])] == [1, 1, 1]
    assert {one["key"]: sum(row[one["key"]] for row in keys_then["data"]) for one in keys_then["series"]} == {
        "user_id": 2,
        "plan": 1,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/workflows/1/run",
        "/api/public/v2/skill-collections",
        "/api/public/v2/tables/9",
        "/report-columns",
        "/api/public/v2/traces/analytics/custom-analytics",
        "/api/public/v2/folders",
        "/api/public/v2/env-vars",
    ],
)
def test_what_there_is_not_is_said(server: TestClient, path: str) -> None:
    """404, which PromptLayer's SDK does not repeat as it does 5xx, with what to do instead."""
    answer = server.post(path, json={})
    assert answer.status_code == 404
    assert "promptlog" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/log-request", "POST"), ("DELETE", "/prompt-templates/cake", "GET, HEAD, POST"), ("PUT", "/v1/traces", "POST")],
)  # fmt: skip
def test_a_wrong_method_is_told_the_right_one(
    server: TestClient, method: str, path: str, allowed: str
) -> None:
    """405, as JSON."""
    refused = server.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    assert allowed in refused.json()["message"]


def test_a_completion_is_asked_for_as_the_sdk_does(server: TestClient) -> None:
    """Its arguments have a prompt; a server of one's own machine is named with its address."""
    template = {"type": "completion", "content": "A {cake} cake"}
    body = {
        "prompt_name": "done",
        "prompt_template": template,
        "metadata": {"model": {"provider": "ollama", "name": "tiny"}},
    }
    assert server.post("/rest/prompt-templates", json=body).status_code == 201
    got = server.post("/prompt-templates/done", json={"input_variables": {"cake": "plum"}}).json()
    assert got["llm_kwargs"] == {"model": "tiny", "prompt": "A plum cake"}
    assert got["custom_provider"]["base_url"] == "http://localhost:11434/v1"
