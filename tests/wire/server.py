"""The server: HTTP/1.1 over asyncio streams in a thread of its own, so that a connection can be dropped at will."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.wire import anthropic_wire, openai_wire
from tests.wire.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.wire.openai_wire import Event

_ROUTES: dict[str, Callable[[dict[str, Any], Behaviour], dict[str, Any] | Iterator[Event]]] = {
    "/chat/completions": openai_wire.chat,
    "/responses": openai_wire.responses,
    "/embeddings": openai_wire.embeddings,
    "/messages": anthropic_wire.messages,
}
_REQUIRED = {
    "/chat/completions": ("model", "messages"),
    "/responses": ("model", "input"),
    "/embeddings": ("model", "input"),
    "/messages": ("model", "messages", "max_tokens"),
}

_DEPLOYMENT = re.compile("^/deployments/[^/]+")  # Azure's paths begin with it


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)


class Wire:
    """A provider on loopback. `with Wire() as wire: OpenAI(base_url=wire.openai(), api_key="sk-test")`.

    It answers by what was asked, always alike: "You said: …", a token being a word; a tool that is offered is called
    with the question as its first argument. The key `wrong` is refused (401). How a request fares (see `Behaviour`) is
    told by its address (`wire.openai("status=429")`), by its header `x-wire`, or by `wire.next("cut=3")` for the
    requests that come next, one each.

    Attributes:
        asked: all requests so far.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._next: list[Behaviour] = []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()

    def openai(self, behaviour: str = "") -> str:
        """Return the `base_url` for OpenAI's SDK."""
        return f"{self._address(behaviour)}/v1"

    def anthropic(self, behaviour: str = "") -> str:
        """Return the `base_url` for Anthropic's SDK."""
        return self._address(behaviour)

    def next(self, *behaviours: str) -> None:
        """Say how the next requests fare, in turn."""
        self._next.extend(Behaviour.parse(text) for text in behaviours)

    def _address(self, behaviour: str) -> str:
        Behaviour.parse(behaviour)
        return f"http://127.0.0.1:{self.port}" + (f"/~{behaviour}" if behaviour else "")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._open:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._open, return_exceptions=True))
        self._loop.close()

    def _stop(self) -> None:
        self._loop.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client let go, or the server is closing
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection is to be dropped."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        raw = await reader.readexactly(int(headers.get("content-length") or 0))
        how = Behaviour.parse(headers.get("x-wire", ""))
        if path.startswith("/~"):
            told, _, rest = path[2:].partition("/")
            how, path = Behaviour.parse(told), f"/{rest}"
        if self._next:
            how = self._next.pop(0)
        path = _DEPLOYMENT.sub("", path.removeprefix("/v1")).partition("?")[0]
        asked = Asked(path, headers, json.loads(raw or b"{}"))
        self.asked.append(asked)
        if how.hang:
            await reader.read()  # until the client lets go
            return False
        await asyncio.sleep(how.wait)
        status, answer = self._answer(asked, how)
        if isinstance(answer, dict):
            body = json.dumps(answer).encode()
            line = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\nretry-after-ms: 1\r\nx-request-id: req_1\r\nrequest-id: req_1\r\n"
            writer.write(f"{line}content-length: {len(body)}\r\n\r\n".encode())
            writer.write(body[: len(body) // 2] if how.cut >= 0 else body)
            await writer.drain()
            return how.cut < 0
        return await self._stream(writer, path, answer, how)

    def _answer(self, asked: Asked, how: Behaviour) -> tuple[int, dict[str, Any] | Iterator[Event]]:
        failure = anthropic_wire.failure if asked.path == "/messages" else openai_wire.failure
        key = (
            asked.headers.get("x-api-key")
            or asked.headers.get("api-key")
            or asked.headers.get("authorization", "").removeprefix("Bearer ")
        )
        if key in {"", "wrong"}:
            return 401, failure(401, "Incorrect API key provided.")
        if how.status:
            return how.status, failure(how.status, f"The server was told to answer {how.status}.")
        if asked.path not in _ROUTES:
            return 404, failure(404, f"Unknown path {asked.path}.")
        if missing := [name for name in _REQUIRED[asked.path] if name not in asked.body]:
            return 400, failure(400, f"Missing required parameter: {missing[0]!r}.")
        return 200, _ROUTES[asked.path](asked.body, how)

    async def _stream(
        self, writer: asyncio.StreamWriter, path: str, events: Iterator[Event], how: Behaviour
    ) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\nrequest-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for number, (kind, data) in enumerate(events):
            if number == how.cut:
                await writer.drain()
                return False
            if number == how.error:
                failure = anthropic_wire.failure if path == "/messages" else openai_wire.failure
                _send(writer, "error", failure(529, "Overloaded"))
                break
            _send(writer, kind, data)
            await writer.drain()
            if how.every:
                await asyncio.sleep(how.every)
        if path == "/chat/completions":
            _chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _send(writer: asyncio.StreamWriter, kind: str | None, data: dict[str, Any]) -> None:
    event = f"event: {kind}\n" if kind else ""
    _chunk(writer, f"{event}data: {json.dumps(data)}\n\n".encode())


def _chunk(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
