"""Who may speak to the server, what may be sent, and what a page may do."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient
from uvicorn.server import ServerState

from promptlog import PromptLog
from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.prompts.templates import Templates
from promptlog.server import running, safety
from promptlog.server.app import make_app
from promptlog.server.safety import HEADERS, is_loopback
from tests.server.support import serving
from tests.server.test_otlp import SPAN, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send


FORM = "application/x-www-form-urlencoded"
JSON = {"content-type": "application/json"}
REQUEST: Any = {
    "provider": "p", "model": "m", "input": "i", "output": "o", "request_start_time": 1, "request_end_time": 2,
}  # fmt: skip


def browser(app: ASGIApp, **headers: str) -> TestClient:
    """Return a client that calls the server 127.0.0.1:7575."""
    return TestClient(app, base_url="http://127.0.0.1:7575", headers=headers, follow_redirects=False)


@pytest.fixture
def client(tmp_path: Path) -> PromptLog:
    return PromptLog(tmp_path / "a.duckdb")


def test_a_name_that_is_not_ours_is_refused(client: PromptLog) -> None:
    """A page whose name was turned to 127.0.0.1 (DNS rebinding) sees nothing."""
    ours = browser(make_app(client))
    for host in ("127.0.0.1:7575", "localhost:1", "[::1]:7575", "LOCALHOST", "127.0.0.2:7575"):
        assert ours.get("/", headers={"host": host}).status_code == 200
    for host in ("evil.example:7575", "127.0.0.1.evil.example", "", "localhost.evil.example", "10.0.0.1"):
        assert ours.get("/", headers={"host": host}).status_code == 421


def test_a_page_elsewhere_cannot_change_anything(client: PromptLog) -> None:
    """What comes from another origin is refused before anything is read; programs say nothing of origins."""
    ours = browser(make_app(client))
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert ours.post("/log-request", headers=headers, json={}).status_code == 403
    own = ours.post("/log-request", headers={"origin": "http://127.0.0.1:7575"}, json={})
    assert own.status_code != 403


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("none", "navigate", "document", 200), ("same-origin", "cors", "empty", 200), ("same-origin", "no-cors", "script", 200),
        ("cross-site", "navigate", "document", 200), ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "no-cors", "image", 403), ("same-site", "cors", "empty", 403),
    ],
)  # fmt: skip
def test_a_page_elsewhere_links_here_and_asks_nothing(
    client: PromptLog, site: str, mode: str, dest: str, status: int
) -> None:
    """People follow its links; what it asks by itself is refused, though it would never see the answer."""
    sent = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert browser(make_app(client)).get("/openapi.json", headers=sent).status_code == status


def test_every_answer_has_strict_headers(client: PromptLog) -> None:
    """Pages, errors and refusals alike."""
    ours = browser(make_app(client))
    for answer in (ours.get("/"), ours.get("/nothing"), ours.get("/", headers={"host": "evil.example"})):
        assert HEADERS.items() <= dict(answer.headers).items()


def test_a_form_needs_its_token(client: PromptLog) -> None:
    """Whatever is no GET carries the token in its field or its header, on any path that is made for people."""
    app = make_app(client)
    ours = browser(app)
    token = app._app.state.house.csrf_token  # type: ignore[attr-defined]
    assert ours.post("/nowhere", data={"a": "b"}).status_code == 403
    assert ours.post("/nowhere", data={"csrf_token": "guess"}).status_code == 403
    assert ours.post("/requests/bulk", json={"csrf_token": token}).status_code == 403
    assert ours.post("/nowhere", data={"csrf_token": token}).status_code == 404
    assert ours.post("/nowhere", headers={"x-csrf-token": token}).status_code == 404


def test_a_large_form_is_whole_or_refused(client: PromptLog) -> None:
    """A token is looked for in a form up to a bound; one whose header shows it is not read before the page does."""
    app = make_app(client)
    ours = browser(app)
    token = app._app.state.house.csrf_token  # type: ignore[attr-defined]
    logged = client.log_request(**REQUEST)["id"]
    form = {"do": "metadata", "key": "k", "value": "x" * 900_000, "more": "x" * 300_000}
    assert ours.post(f"/requests/{logged}/tracked", data={**form, "csrf_token": token}).status_code == 413
    assert client.requests.get(str(logged)).metadata == {}
    said = ours.post(f"/requests/{logged}/tracked", data=form, headers={"x-csrf-token": token})
    assert said.status_code == 303
    assert client.requests.get(str(logged)).metadata == {"k": form["value"]}
    assert ours.post("/nowhere", content=b"", headers={"content-type": FORM}).status_code == 403


def test_a_token_opens_what_others_can_reach(client: PromptLog) -> None:
    """It comes as a bearer's, or once in the address and then in a cookie; the redirect never leads elsewhere."""
    ours = browser(make_app(client, token="s3cret"))
    assert ours.get("/").status_code == 401
    assert ours.get("/?token=wrong").status_code == 401
    asked = ours.get("/analytics", params={"q": '"><b>', "token": "x"}, headers={"accept": "text/html,*/*"})
    assert (asked.status_code, "That is not the token" in asked.text) == (401, True)
    assert 'name="token"' in asked.text
    assert 'name="q" value="&#34;&gt;&lt;b&gt;"' in asked.text
    assert "not the token" not in ours.get("/", headers={"accept": "text/html"}).text
    assert ours.get("/", headers={"authorization": "Bearer s3cret"}).status_code == 200
    shown = ours.get("http://127.0.0.1:7575//evil.example/x?token=s3cret&page=2")
    assert shown.status_code == 303
    assert shown.headers["location"] == "/evil.example/x?page=2"
    cookie = shown.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert ours.get("/").status_code == 200  # the client kept the cookie


def test_cookies_of_others_lock_nobody_out(client: PromptLog) -> None:
    """All ports of a host share their cookies: other servers of ours, and programs whose cookies are no cookies."""
    ours, others = (browser(make_app(client, token=token)) for token in ("o;u=r%s", "others"))
    others.cookies = ours.cookies
    others.base_url = "http://127.0.0.1:7576"
    ours.cookies.set("settings", '{"a":[1,"2"]}')
    for one, token in ((ours, "o;u=r%s"), (others, "others")):
        assert one.get("/", params={"token": token}).status_code == 303
    assert (ours.get("/").status_code, others.get("/").status_code) == (200, 200)


def test_large_bodies_are_refused(client: PromptLog) -> None:
    """By what they say of their length, and by what arrives."""
    ours = browser(make_app(client, max_body_bytes=1000))
    assert ours.post("/log-request", content=b"{" * 1001, headers=JSON).status_code == 413
    assert ours.post("/log-request", content=iter([b"{" * 600, b" " * 600]), headers=JSON).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/log-requests", 404), ("PUT", "/log-request", 405), ("GET", "/log-request", 405), ("POST", "/v1/trace", 404)],
)  # fmt: skip
def test_a_program_that_mistakes_a_path_is_told(
    client: PromptLog, method: str, path: str, status: int
) -> None:
    """In JSON, where it can look."""
    said = browser(make_app(client)).request(method, path, json={})
    assert (said.status_code, said.json()["success"]) == (status, False)
    words = (
        f"{path} takes POST, not {method}"
        if status == 405
        else f"there is no {method} {path}; /openapi lists"
    )
    assert said.json()["message"].startswith(words)


@pytest.mark.parametrize("secret", ["", " ", "s3 cret", "s\u00e9cret", "a\nb"])
def test_a_secret_that_is_none_is_refused(client: PromptLog, secret: str) -> None:
    """`--token "$UNSET"` does not open everything to everybody."""
    for which in ("token", "api_key"):
        with pytest.raises(InvalidInputError, match="give one such as"):
            make_app(client, **{which: secret})  # type: ignore[arg-type]


def test_who_shows_no_key_has_nothing_read(client: PromptLog) -> None:
    """A body is neither unpacked nor parsed before its sender may send it, but to find the key in it."""
    bomb = {"content": gzip.compress(b" " * 40_000_000), "headers": JSON | {"content-encoding": "gzip"}}
    torn = {"content": b"{", "headers": JSON}
    for ours, status in (
        (browser(make_app(client, token="s3cret")), 401),
        (browser(make_app(client, api_key="k")), 401),
        (browser(make_app(client, read_only=True)), 403),
    ):
        assert ours.post("/log-request", **bomb).status_code == status  # type: ignore[arg-type]
        assert ours.post("/log-request", **torn).status_code == status  # type: ignore[arg-type]
    known = browser(make_app(client, api_key="k"), **{"x-api-key": "k"})
    assert known.post("/log-request", **bomb).status_code == 413  # type: ignore[arg-type]
    assert known.post("/log-request", **torn).status_code == 400  # type: ignore[arg-type]
    assert known.post("/log-request", json=REQUEST | {"input": "i" * 1_000_000}).status_code == 201


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("box.lan", False)],
)  # fmt: skip
def test_which_addresses_only_we_can_reach(host: str, ours: bool) -> None:
    """Everything else asks for a token."""
    assert is_loopback(host) == ours


def test_elsewhere_a_token_is_made_up(tmp_path: Path) -> None:
    """Who binds all addresses gets an address with a token, and without it nothing is shown."""
    with serving(tmp_path / "a.duckdb", "--host", "0.0.0.0") as served:
        page = next(line.split()[-1] for line in served.said if "pages" in line)
        assert httpx.get(served.url).status_code == 401
        reached = running.address_of_this_machine("0.0.0.0")  # where there is a network
        port = served.url.rpartition(":")[2]
        assert reached is None or httpx.get(f"http://{reached}:{port}").status_code == 401
        assert httpx.get(page, follow_redirects=True).status_code == 200
        # Programs send it as PromptLayer's SDK sends its key: in the body, or in its header.
        token = page.partition("token=")[2]
        assert httpx.post(f"{served.url}/create-group", json={}).status_code == 401
        assert httpx.post(f"{served.url}/create-group", json={"api_key": token}).status_code == 200
        assert httpx.get(f"{served.url}/prompt-templates", headers={"X-API-KEY": token}).status_code == 200
        assert httpx.post(f"{served.url}/v1/traces", json={}).status_code == 401
        assert httpx.post(f"{served.url}/v1/traces", json={}, headers={"X-Api-Key": token}).status_code == 200


def test_a_head_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    """Headers beyond what a request needs end the connection; others are served."""
    with serving(tmp_path / "a.duckdb") as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
            with pytest.raises(OSError):
                slow.sendall(b"x: y\r\n" * 2_000_000)
        assert httpx.get(served.url).status_code == 200


def test_a_client_that_leaves_in_the_middle(tmp_path: Path) -> None:
    """Half a body is no request, and no traceback."""
    with serving(tmp_path / "a.duckdb") as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as leaving:
            head = "POST /log-request HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
            leaving.sendall(head.encode())
        assert httpx.get(served.url).status_code == 200
        served.process.send_signal(signal.SIGINT)
        assert served.process.stderr is not None
        assert "Traceback" not in served.process.stderr.read()


@pytest.mark.slow
def test_what_never_comes_is_given_up(tmp_path: Path) -> None:
    """Who connects and says nothing, half a line or half a body is let go."""
    with serving(tmp_path / "a.duckdb") as served:
        host, port = served.url.removeprefix("http://").split(":")
        for begin in (
            b"",
            b"POST /log-request HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
            b"GET / HT",
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HT",
        ):
            with socket.create_connection((host, int(port)), timeout=120) as slow:
                slow.sendall(begin)
                while slow.recv(65_536):  # what it answers, and then the end
                    pass


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    """507, each time, and the server goes on."""
    with serving(tmp_path / "a.duckdb") as served:
        shutil.rmtree(tmp_path / "a.duckdb.journal")
        (tmp_path / "a.duckdb.journal").write_text("in the way")
        for _ in range(2):
            refused = httpx.post(f"{served.url}/log-request", json=REQUEST)
            assert (refused.status_code, refused.json()["success"]) == (507, False)
        assert httpx.post(f"{served.url}/v1/traces", json=request(SPAN)).status_code == 503
        (tmp_path / "a.duckdb.journal").unlink()
        assert httpx.post(f"{served.url}/log-request", json=REQUEST).status_code == 201


def test_an_address_with_a_slash_at_its_end(tmp_path: Path) -> None:
    """A base_url that ends so, as the pages' does, means what it means without; nothing leads elsewhere."""
    with serving(tmp_path / "a.duckdb") as served:
        logged = httpx.post(f"{served.url}//log-request", json=REQUEST)
        assert logged.status_code == 201
        assert httpx.get(f"{served.url}//").status_code == 200
        led = httpx.get(f"{served.url}//elsewhere.example/").headers.get("location", "/")
        assert not led.startswith("//")


def test_a_prompt_that_a_full_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """507 too: REST and pages say the same of the same."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.merge()

    def refuse(*_: object) -> None:
        raise StoreUnwritableError("no space left")

    monkeypatch.setattr(Templates, "publish", refuse)
    browser = TestClient(make_app(client), base_url="http://localhost")
    body = {
        "prompt_template": {"prompt_name": "p"},
        "prompt_version": {"prompt_template": {"type": "completion", "content": []}},
    }
    answer = browser.post("/rest/prompt-templates", json=body)
    assert (answer.status_code, answer.json()["message"]) == (507, "no space left")


def test_a_long_question_is_ended(tmp_path: Path) -> None:
    """Where its client leaves, so that the next is answered; and where the server is told to end."""
    texts = (f"{number} " * 200 for number in range(20_000))
    PromptLog(tmp_path / "a.duckdb").log_many({**REQUEST, "input": text} for text in texts)
    words = [{"field": "input_text", "operator": "contains", "value": f"zz{number}"} for number in range(500)]
    body = json.dumps({"filter_group": {"logic": "OR", "filters": words}}).encode()
    path = "/api/public/v2/requests/search"
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with serving(tmp_path / "a.duckdb") as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(head.encode() + body)
            httpx.get(f"{served.url}/openapi.json", timeout=20)  # by now it is asked
        assert httpx.post(served.url + path, json={}, timeout=10).status_code == 200
        with socket.create_connection((host, int(port))) as waiting:
            waiting.sendall(head.encode() + body)
            httpx.get(f"{served.url}/openapi.json", timeout=20)
            served.process.terminate()
            assert waiting.recv(100).startswith(b"HTTP/1.1 503")
        assert served.process.stderr is not None
        assert served.process.stderr.read() == ""


def test_all_bodies_together_are_bounded(client: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no room is told to come again, and what was answered gives its room back."""
    monkeypatch.setattr(safety, "MOST_HELD_BYTES", 1000)
    ours = browser(make_app(client))
    for _ in range(3):
        full = ours.post("/log-request", json=REQUEST | {"input": "i" * 1000})
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        assert ours.post("/log-request", json=REQUEST | {"input": "i" * 500}).status_code == 201


def test_who_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes does not stand there for ever."""
    monkeypatch.setattr(running, "READER_SECONDS", 0.05)

    async def run() -> None:
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b" " * 50_000_000, "more_body": True})
            await send(
                {"type": "http.response.body", "body": b""}
            )  # once the first was read, or never will be
            done.set()

        config = uvicorn.Config(app, log_config=None)
        config.load()
        listening = await loop.create_server(
            lambda: running.PatientProtocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        async with listening:
            _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await asyncio.wait_for(done.wait(), 20)
            writer.transport.abort()

    asyncio.run(run())


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    """No traceback; the exit code is a shell's for it."""
    with serving(tmp_path / "a.duckdb") as served:
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(20) == 130
        assert served.process.stderr is not None
        assert served.process.stderr.read().strip() == ""


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line, with the way out."""
    with serving(tmp_path / "a.duckdb", "--token", "s3cret") as served:
        taken = refused("serve", "--port", served.url.rpartition(":")[2])
        served.process.terminate()
        assert served.process.stderr is not None
        assert served.process.stderr.read().startswith("Who connects needs the token")  # others cannot
    assert "give another --port" in taken


def test_a_server_that_reads_writes_by_no_door(client: PromptLog) -> None:
    """Each route that is no GET refuses, but those that ask by POST and those that there are not."""
    client.templates.publish({"prompt_name": "a", "prompt_template": {"type": "completion", "content": "x"}})
    app: Any = make_app(client, read_only=True)
    ours = browser(app, **{"x-csrf-token": app._app.state.house.csrf_token})
    search = "/api/public/v2/requests"
    asks = {
        "/prompt-templates/a",
        f"{search}/search",
        f"{search}/analytics",
        f"{search}/analytics/custom-analytics",
    }
    refused = set()
    for method, route in doors(app._app.routes):
        path = re.sub(r"\{\w+(:path)?\}", "a", route)
        said = ours.request(method, path, json=REQUEST)
        assert said.status_code in (
            (200, 400, 422) if method == "POST" and path in asks else (403, 404, 405, 501)
        ), (method, path)
        refused |= {path} if said.status_code == 403 else set()
    assert {"/log-request", "/v1/logs", "/requests/bulk", "/requests/a/tracked", "/prompts/run"} <= refused
    assert ours.post("/prompt-templates/a", json={}).json()["version"] == 1
    assert (client.requests.count(), len(client.templates.all())) == (0, 1)


def doors(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Give the method and path of each route that is no GET, those of the pages too."""
    for route in routes:
        for method in (getattr(route, "methods", None) or set()) - {"GET", "HEAD"}:
            yield method, route.path
        yield from doors(getattr(getattr(getattr(route, "app", None), "_app", None), "routes", ()))


def test_a_server_that_reads_makes_no_store(tmp_path: Path) -> None:
    """A path that was mistyped is said to be so."""
    assert "does not exist" in refused("--store", str(tmp_path / "typo.duckdb"), "serve", "--read-only")
    assert list(tmp_path.iterdir()) == []


def refused(*arguments: str) -> str:
    """Return the one line that the shell says of arguments that it refuses."""
    command = [sys.executable, "-m", "promptlog", *arguments]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    return ran.stderr


def test_a_store_that_cannot_be_opened_is_not_served(tmp_path: Path) -> None:
    """Before it could answer to a log that it has it, in one line."""
    text = tmp_path / "text.duckdb"
    text.write_text("no database")
    assert str(text) in refused("--store", str(text), "serve", "--port", "0")
    assert text.read_text() == "no database"
    assert "/proc/x" in refused("--store", "/proc/x/y.duckdb", "serve", "--port", "0")


def test_the_memory_of_the_database_can_be_set(tmp_path: Path) -> None:
    """It is DuckDB's own limit; what is no size is refused before anything is served."""
    command = [sys.executable, "-m", "promptlog", "--store", str(tmp_path / "a.duckdb")]
    ran = subprocess.run([*command, "serve", "--memory", "lots"], check=False, capture_output=True, text=True)
    assert (ran.returncode, "such as 512MB" in ran.stderr) == (1, True)
    asked = subprocess.run(
        [*command, "sql", "SELECT current_setting('memory_limit') AS m", "--json"],
        check=True, capture_output=True, text=True, env=os.environ | {"PROMPTLOG_MEMORY_LIMIT": "512MiB"},
    )  # fmt: skip
    assert "512.0 MiB" in asked.stdout
