"""What PromptLayer's doors answer with: JSON, and errors in PromptLayer's shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from promptlog.errors import InvalidInputError, PromptLogError, StoreBusyError, StoreUnwritableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

JSON = "application/json"


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply of JSON."""
    return Response(to_json(body, inf_nan_mode="null"), status, headers, JSON)


def paged(items: list[dict[str, Any]], page: int, per_page: int, total: int) -> dict[str, Any]:
    """Return a page of a list as PromptLayer tells of one: which it is, counted from 1, of how many."""
    pages = -(-total // per_page)
    return {
        "success": True,
        "items": items,
        "page": page,
        "pages": pages,
        "per_page": per_page,
        "total": total,
        "has_next": page < pages,
        "has_prev": page > 1,
        "next_num": page + 1 if page < pages else None,
        "prev_num": page - 1 if page > 1 else None,
    }


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in the shape of PromptLayer's that its SDK reads the text of."""
    return answer({"success": False, "message": message}, status, headers)


class WrongField(Exception):  # noqa: N818 - it never leaves the server: it becomes a 422
    """A field of a body is wrong, in the shape of PromptLayer's validation errors.

    Attributes:
        where: the path to the field.
        message: what is wrong with it, and the way out.
        kind: a word for it, such as "missing".
    """

    def __init__(self, where: tuple[str | int, ...], message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.where = where
        self.message = message
        self.kind = kind


def wrong_field(_: Request, error: Exception) -> Response:
    """Return a 422 that names the field. `message` and `success` are ours: the SDK shows the text of the first."""
    assert isinstance(error, WrongField)  # noqa: S101 - the table of handlers says so
    detail = [{"loc": ["body", *error.where], "msg": error.message, "type": error.kind}]
    where = ".".join(map(str, error.where))
    message = f"{where}: {error.message}" if where and where not in error.message else error.message
    return answer({"success": False, "message": message, "detail": detail}, 422)


def of_http(request: Request, error: Exception) -> Response:
    """Return what Starlette or a door refuses, in our shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the table of handlers says so
    said = error.detail
    if said == HTTPStatus(error.status_code).phrase and error.status_code in (404, 405):
        said = f"there is no {request.method} {request.url.path[:200]}; /openapi lists what there is"
    return refusal(error.status_code, said, error.headers)


def of_promptlog(_: Request, error: Exception) -> Response:
    """Return an error of the store's with the status that fits it."""
    if isinstance(error, InvalidInputError):
        return refusal(400, str(error))
    if isinstance(error, LookupError):
        return refusal(404, str(error))
    if isinstance(error, StoreBusyError):
        return refusal(503, str(error), {"Retry-After": "1"})
    if isinstance(error, StoreUnwritableError):
        return refusal(507, str(error))
    return refusal(503, str(error))


def of_the_departed(_: Request, __: Exception) -> Response:
    """Return what nobody receives: the client left before it had sent all."""
    return refusal(400, "the body ended too soon")


def of_ours(_: Request, __: Exception) -> Response:
    """Return a failure that is nobody's but ours; uvicorn prints it whole."""
    return refusal(500, "the server failed; what it printed says where")


HANDLERS: dict[Any, Any] = {
    WrongField: wrong_field,
    HTTPException: of_http,
    ClientDisconnect: of_the_departed,
    PromptLogError: of_promptlog,
    Exception: of_ours,
}
