"""What makes it safe on a laptop: who may speak to us, what may be sent, and what a page may do.

Two rings, each plain ASGI. `Safety` stands around everything: the Host of a request must be ours (a page elsewhere whose
name is turned to 127.0.0.1 has another: DNS rebinding), what changes something must not come from a page of another
origin, bodies are bounded, and every answer carries strict headers. `PagesGuard` stands around all that
is made for people, a route that is forgotten included: a token where we can be reached from elsewhere, a CSRF token on
whatever is no GET, and nothing of the kind in a server that only reads. PromptLayer's and OTLP's doors have keys of
their own (`doors`).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Match

from promptlog.server.house import MAX_BODY_BYTES, same
from promptlog.server.leaving import watch
from promptlog.server.locked import locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from promptlog.server.house import House

MAX_FORM_BYTES = 1024 * 1024
MOST_HELD_BYTES = 256 * 1024 * 1024  # of all bodies that are read or worked on at once
READING = frozenset(("GET", "HEAD", "OPTIONS"))
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer a form that is sent without a script has the origin null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_LOOKED_AT = frozenset(
    (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"content-length")
)
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def is_loopback(host: str) -> bool:
    """Return whether a name or address is this machine's own, which nobody else can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Safety:
    """The outer ring.

    Args:
        app: what is inside.
        hosts: the names by which we may be called, beside loopback's; None takes any, where a token is asked for.
        max_body_bytes: more is refused.

    Attributes:
        held_bytes: of the bodies of all requests that are not answered yet.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str] | None = (),
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else _LOOPBACK | {host.lower() for host in hosts}
        self.max_body_bytes = max_body_bytes
        self.held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets here: uvicorn refuses what is not accepted
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _LOOKED_AT}
        send = _with_headers(send)
        if refusal := self._refusal(scope["method"], headers):
            await refusal(scope, receive, send)
            return
        if scope["method"] in READING:
            watch(receive)
        if scope["path"].startswith(
            "//"
        ):  # an address that was given with a slash at its end, and a path joined to it
            path = "/" + scope["path"].lstrip("/")
            scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        body = _Body(self, receive, _length_of(headers))
        try:
            await self._app(scope, body.receive, send)
        finally:
            self.held_bytes -= body.seen

    def _refusal(self, method: str, headers: dict[bytes, str]) -> Response | None:
        host = headers.get(b"host", "")
        if self._hosts is not None and (name := _name_of(host)) not in self._hosts and not is_loopback(name):
            return PlainTextResponse(
                f"this server is not called {host[:200]!r}; it answers to {', '.join(sorted(self._hosts))}\n",
                421,
            )
        if why := _foreign(headers, host, changes=method not in READING):
            return PlainTextResponse(f"{why}; nothing was done\n", 403)
        return None


class _Body:
    """Gives a body, and gives up on one that is too large, or larger than there is room for beside the others."""

    def __init__(self, safety: Safety, receive: Receive, length: int) -> None:
        self.seen = 0
        self._safety = safety
        self._receive = receive
        self._length = length

    async def receive(self) -> Message:
        """Return the next piece, or what comes after the body.

        Raises:
            HTTPException: 413, once anybody reads what is too large by its own word; 503 where there is no room.
        """
        self._check(self._length)
        message = await self._receive()
        size = len(message.get("body", b""))
        self.seen += size
        self._safety.held_bytes += size
        self._check(self.seen)
        if self._safety.held_bytes > MOST_HELD_BYTES:
            raise HTTPException(503, "the server has no room for more bodies now", {"Retry-After": "1"})
        if not message.get("more_body", False):
            watch(self._receive)
        return message

    def _check(self, size: int) -> None:
        most = self._safety.max_body_bytes
        if size > most:
            raise HTTPException(
                413, f"the body has more than {most:,} bytes; send less at once", {"Connection": "close"}
            )


def _length_of(headers: Mapping[bytes, str]) -> int:
    length = headers.get(b"content-length", "0")
    return int(length[:20]) if length.isdecimal() else 0


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _foreign(headers: dict[bytes, str], host: str, *, changes: bool) -> str:
    """Return why a request comes from a page of another origin; "" where it does not. Programs send none of the headers.

    Such a page may have links to ours, which people follow. It may not ask by itself: it reads no answer, but an answer is
    work, and a prompt that is rendered is a program.
    """
    origin = headers.get(b"origin")
    if changes and origin is not None and origin.partition("://")[2] != host:
        return f"the request comes from a page of {origin[:200]!r}"
    if headers.get(b"sec-fetch-site", "none") in ("none", "same-origin"):
        return ""
    followed = (headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")) == ("navigate", "document")
    return "" if followed and not changes else "the request comes from a page of another site"


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.setdefault("headers", [])
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *(pair for pair in _HEADERS if pair[0] not in names)]
        await send(message)

    return sending


class PagesGuard:
    """The ring around what is made for people.

    Whoever opens `/?token=…` has it in a cookie from then on. A form carries `csrf_token`, a script's request the header
    X-CSRF-Token; both are the house's, which a page of another origin cannot read.

    Args:
        app: the pages.
        house: the server's state.
    """

    def __init__(self, app: Starlette, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal: Response | None = None
        if self._house.token is not None and not has_token(headers, self._house.token):
            refusal = _shown(scope, self._house.token)
        elif scope["method"] not in READING:
            if self._house.read_only:
                refusal = PlainTextResponse(READ_ONLY + "\n", 403)
            else:
                given, receive = await self._csrf_token(headers, receive)
                if given is None and not _is_form(headers) and not self._has(scope):
                    raise HTTPException(404)  # a program that mistook a door's path
                if given is None or not same(given, self._house.csrf_token):
                    refusal = PlainTextResponse("the form is old or not ours: load its page anew\n", 403)
        await (refusal or self._app)(scope, receive, send)

    def _has(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._app.routes)

    async def _csrf_token(self, headers: Headers, receive: Receive) -> tuple[str | None, Receive]:
        """Return the CSRF token that a request carries, and a `receive` that still gives all of its body."""
        given = headers.get("x-csrf-token")
        if given is not None or not _is_form(headers):
            return given, receive
        body = await _form_of(receive)
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return fields.get("csrf_token"), _again(body, receive)


READ_ONLY = "this server was started with --read-only; nothing was changed"


def has_token(headers: Headers, token: str) -> bool:
    """Return whether a request shows the token: as a bearer's, or in the cookie that a browser keeps."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and same(given.strip(), token):
        return True
    name = _cookie_name(headers.get("host", ""))
    return any(
        found == name and same(unquote(value.strip()), token)
        for pair in headers.get("cookie", "").split(
            ";"
        )  # by hand: a cookie of others' may be no cookie at all
        for found, _, value in [pair.strip().partition("=")]
    )


def _cookie_name(host: str) -> str:
    """Return the name of the cookie with the token: all ports of a host share their cookies, and each may be a server."""
    port = host.rpartition(":")[2]
    return f"promptlog_token_{port}" if port.isascii() and port.isdigit() else "promptlog_token"


def _shown(scope: Scope, token: str) -> Response:
    """Return what a request without the cookie gets: the cookie, where its address has the token, else a way to it."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given = dict(query).get("token")
    headers = Headers(scope=scope)
    if scope["method"] not in READING or given is None or not same(given.strip(), token):
        if "text/html" in headers.get("accept", ""):
            kept = ((name, value) for name, value in query if name != "token")
            return locked(kept, wrong=given is not None)
        wrong = "That is not the token. " if given is not None else ""
        return PlainTextResponse(
            f"{wrong}This server asks for a token: open /?token=… as it was printed when the server began, or send "
            "the header Authorization: Bearer …\n", 401, {"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    path = "/" + scope["path"].lstrip("/\\")  # never //elsewhere
    answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
    name = _cookie_name(headers.get("host", ""))
    answer.set_cookie(
        name,
        quote(token, safe=""),
        httponly=True,
        samesite="lax",
        secure=scope["scheme"] == "https",
        path="/",
    )
    return answer


def _is_form(headers: Headers) -> bool:
    return (
        headers.get("content-type", "").partition(";")[0].strip().lower()
        == "application/x-www-form-urlencoded"
    )


async def _form_of(receive: Receive) -> bytes:
    """Return the body of a form.

    Raises:
        HTTPException: 413; it is too large to look for a token in.
    """
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_FORM_BYTES:
            raise HTTPException(
                413, f"the form has more than {MAX_FORM_BYTES:,} bytes", {"Connection": "close"}
            )
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives what was read once more."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
