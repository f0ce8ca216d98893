"""`serve`: the application behind a socket, with uvicorn."""

from __future__ import annotations

import asyncio
import socket
import sys
import warnings
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from promptlog.errors import InvalidInputError, NotLoggedWarning, UnusedVariableWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

HEAD_SECONDS = 10.0  # a request's line and headers have arrived after this
BODY_SECONDS = 60.0  # and its body
READER_SECONDS = 60.0  # who takes nothing of an answer for so long is let go
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 1000
_KEEP_ALIVE_S = 30
_GRACE_S = 5
_SWITCH_S = (
    0.0005  # the event loop waits so long for a thread that computes, ten times less than Python has it
)
_ANSWERED_S = 1.0  # questions that were asked before the end have so long
_AGAIN_S = 0.05


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds of time for a request's head and body and for who reads the answer, and of size for the head.

    uvicorn itself waits for ever. A request that comes in one piece, as most do, starts no timer.
    """

    _timer: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait: a connection that says nothing is let go too."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece, and wait for the next where it does not end a request."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._give_up()
        elif self._begun and self._timer is None:
            self._wait(HEAD_SECONDS if self._in_head else BODY_SECONDS)

    def pause_writing(self) -> None:
        """Begin to wait for who reads too slowly."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """It was read."""
        self._stop_waiting_for_reader()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        self._rest()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is whole; what comes next is another's head."""
        super().on_message_complete()
        self._in_head, self._begun, self._head_bytes = True, False, 0
        self._rest()

    def _wait_for_reader(self, unread: int | None = None) -> None:
        """Look again after a while, as long as something was read meanwhile."""
        left = self.transport.get_write_buffer_size()
        if unread is not None and left >= unread:
            self.transport.abort()  # to close it would wait for what is unread
        else:
            self._reader = self.loop.call_later(READER_SECONDS, self._wait_for_reader, left)

    def _stop_waiting_for_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()


def address_of_this_machine(anywhere: str) -> str | None:
    """Return the address under which others reach a server that listens on all; None where there is no network.

    It is the one that this machine would speak from; a datagram's socket that is connected sends nothing.
    """
    family, elsewhere = (
        (socket.AF_INET6, "2001:db8::1") if ":" in anywhere else (socket.AF_INET, "192.0.2.1")
    )  # addresses of documentation
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((elsewhere, 9))
            return str(asking.getsockname()[0])
    except OSError:
        return None


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


def serve(
    app: ASGIApp,
    listening: socket.socket,
    *,
    ready: Callable[[], Any] = lambda: None,
    interrupt: Callable[[], Any] = lambda: None,
) -> None:
    """Serve an application until the process is told to end.

    Args:
        app: what `make_app` returned.
        listening: the socket, which is closed at the end.
        ready: called once requests are taken.
        interrupt: called at the end, time and again, where questions are not answered soon: it ends them.
    """
    warnings.simplefilter("always", NotLoggedWarning)  # each is told to its caller, and here
    warnings.simplefilter("ignore", UnusedVariableWarning)  # told in the answer
    sys.setswitchinterval(_SWITCH_S)
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
    _Server(config, ready, interrupt).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], Any], interrupt: Callable[[], Any]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._interrupt = interrupt

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        interrupting = asyncio.create_task(self._end_questions())
        await super().shutdown(sockets)
        interrupting.cancel()

    async def _end_questions(self) -> None:
        await asyncio.sleep(_ANSWERED_S)
        while True:
            self._interrupt()
            await asyncio.sleep(_AGAIN_S)  # one answer may take several questions
