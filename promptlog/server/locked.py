"""What a browser without the token is shown: a page in the manner of the others that gives away nothing of the store.

Its style stands in it, and is all that it may use: no script, no picture and no other address of ours is open to him.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.responses import HTMLResponse

from promptlog.server.pages.rendering import part

if TYPE_CHECKING:
    from collections.abc import Iterable


@cache
def _style() -> tuple[str, str]:
    """Return the style sheet, and the rule that lets a browser use it and nothing else."""
    text = files("promptlog.server").joinpath("static", "locked.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return text, (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'"
    )


def locked(kept: Iterable[tuple[str, str]], *, wrong: bool) -> HTMLResponse:
    """Return the page that asks for the token.

    Args:
        kept: what else the address asks for, names and values: the form sends them again.
        wrong: whether another token was given.
    """
    style, policy = _style()
    text = part("locked.html", kept=list(kept), wrong=wrong, style=Markup(style))  # noqa: S704 - a file we ship
    return HTMLResponse(text, 401, {"WWW-Authenticate": "Bearer", "Content-Security-Policy": policy})
