"""`serve`: the application behind a socket, with uvicorn."""

from __future__ import annotations

import socket
import warnings
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from promptlog.errors import InvalidInputError, NotLoggedWarning, UnusedVariableWarning

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import ASGIApp

HEAD_SECONDS = 10.0  # a request's line and headers have arrived after this
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000
_KEEP_ALIVE_S = 30
_GRACE_S = 5


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a bound of time and size for a request's head; uvicorn itself waits for ever."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece, unless the head grows too large."""
        if self._in_head:
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._give_up()

    def on_headers_complete(self) -> None:
        """Wait no more: the body has a bound of its own."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Count anew: what comes next is another head."""
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one.

    Raises:
        InvalidInputError: the address is not ours, or somebody else listens there.
    """
    # Its protocol is named: asyncio turns Nagle's algorithm off only on sockets of TCP by name, and answers wait 40 ms with it.
    listening = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(512)
    except (OSError, OverflowError) as error:
        listening.close()
        said = getattr(error, "strerror", None) or error
        raise InvalidInputError(
            f"cannot listen on {host} port {port}: {said}; give another --port or --host"
        ) from None
    return listening


def serve(app: ASGIApp, listening: socket.socket, *, ready: Callable[[], Any] | None = None) -> None:
    """Serve an application until the process is told to end.

    Args:
        app: what `make_app` returned.
        listening: the socket, which is closed at the end.
        ready: called once requests are taken.
    """
    warnings.simplefilter("always", NotLoggedWarning)  # each is told to its caller, and here
    warnings.simplefilter("ignore", UnusedVariableWarning)  # told in the answer
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may say that he is somebody else
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=MAX_CONNECTIONS,
    )
    _Server(config, ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], Any] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready()
