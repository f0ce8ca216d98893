"""`serve`: pages in a browser, PromptLayer's REST and OTLP, from one local process."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlencode

import typer

from promptlog.cli.options import Store, given_store, pairs
from promptlog.cli.screen import note
from promptlog.client import PromptLog
from promptlog.errors import InvalidInputError, MissingExtraError, StoreBusyError
from promptlog.settings import memory_limit, store_paths

_PORT = 7575
_MOMENT_S = 1.0
_BUSY_TIMEOUT_S = 20.0  # a person waits no longer for a page
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where all addresses are ours, one to open


def serve(
    host: Annotated[
        str,
        typer.Option(help="The address to listen on; other than this machine's own, a token is asked for."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = _PORT,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="PROMPTLOG_TOKEN", help="What whoever connects must show; made up where one is needed."
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="PROMPTLOG_API_KEY",
            help="The one API key that programs must show; else any is taken.",
        ),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse whatever writes.")] = False,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL",
            help="Where a provider of prompts is, such as openai=http://localhost:8000/v1; may be repeated.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            envvar="PROMPTLOG_MEMORY_LIMIT",
            metavar="SIZE",
            help="What DuckDB may use, such as 512MB; else 1GB.",
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the pages in a browser.")] = False,
    store: Store = None,
) -> None:
    """Serve pages, PromptLayer's REST and OTLP from one local process.

    It listens on this machine alone unless told otherwise. To log from PromptLayer's SDK, give it this address as
    base_url; from OpenTelemetry, set OTEL_EXPORTER_OTLP_ENDPOINT to it.
    """
    try:
        from promptlog.server import app, running, safety
    except ImportError as error:
        if (error.name or "").startswith("promptlog"):
            raise
        raise MissingExtraError.of(error.name or "starlette", "serve") from None
    _limit(memory)
    urls = pairs(provider, "--provider")
    client = _client(store, urls, read_only=read_only)
    others = not safety.is_loopback(host)
    if token is None and others:
        token = secrets.token_urlsafe(24)
    with running.listen(host, port) as listening:
        port = listening.getsockname()[1]
        address = _address(host, port)
        page = f"{address}/?{urlencode({'token': token})}" if token else f"{address}/"
        served = app.make_app(client, token=token, api_key=api_key, read_only=read_only, base_urls=urls)

        def ready() -> None:
            note(f"{client.path}{' (read only)' if read_only else ''}, served until Ctrl+C")
            _say_where(address, page, keyed=token is not None, others=others)
            _say_elsewhere(running.address_of_this_machine(host) if host in _ANYWHERE else None, port)
            if open_browser:
                typer.launch(page)

        running.serve(served, listening, ready=ready, interrupt=client.interrupt)


def _limit(memory: str | None) -> None:
    if memory is not None:
        os.environ["PROMPTLOG_MEMORY_LIMIT"] = memory
        memory_limit()


def _client(store: str | None, urls: dict[str, str], *, read_only: bool) -> PromptLog:
    """Return the client of the store that is served.

    Raises:
        InvalidInputError: there is none, and it is not to be made.
        StoreError: it cannot be opened or made. One that is merely busy will be free.
    """
    providers = {name: {"base_url": url} for name, url in urls.items()}
    from promptlog.server.freshness import MAX_LAG_S

    client = PromptLog(
        given_store(store), busy_timeout=_BUSY_TIMEOUT_S, max_lag=MAX_LAG_S, providers=providers
    )
    if read_only and not client.path.exists() and not store_paths(client.path).journal.exists():
        raise InvalidInputError(f"{client.path} does not exist, and --read-only makes none; name a store")
    if client.path.exists() or not read_only:
        with suppress(StoreBusyError), PromptLog(client.path, busy_timeout=_MOMENT_S) as once:
            once._check()  # noqa: SLF001 - a door of the client's own house
    return client


def _say_where(address: str, page: str, *, keyed: bool, others: bool) -> None:
    """Say what is where, and who may connect."""
    note(f"  pages        {page}")
    note(f"  PromptLayer  base_url={address}")
    note(f"  OTLP         {address}/v1/traces, {address}/v1/logs")
    if keyed:
        who = "Others can reach it: who connects" if others else "Who connects"
        note(f"{who} needs the token, as the API key, or as a bearer token.")


def _say_elsewhere(host: str | None, port: int) -> None:
    if host is not None:
        note(f"From elsewhere it is {_address(host, port)}")


def _address(host: str, port: int) -> str:
    shown = _ANYWHERE.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
