"""What went wrong, as a program reads it: application/problem+json (RFC 9457)."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from opostd.http.faults import Fault, fault_of
from opostd.http.login import challenges
from opostd.http.services import Services
from opostd.model.errors import Refused

Fields = Sequence[tuple[str, str]]


class BadRecipients(Refused):
    """Recipients to whom a post cannot go.  refused: each with why not."""

    def __init__(self, refused: Sequence[tuple[str, str]]) -> None:
        super().__init__("the post went nowhere: some of its recipients cannot have it")
        self.refused = refused


class BadRequest(Refused):
    """A value that cannot be.  errors: where, and what is wrong with it."""

    def __init__(self, errors: Sequence[dict[str, Any]]) -> None:
        super().__init__("some of what was given cannot be")
        self.errors = errors


def problem(status: int, code: str, detail: str, *, fields: Fields = (), **more: Any) -> Response:
    """code: a word for programs; more: further members."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **more}
    response = Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"), status, media_type="application/problem+json"
    )
    for name, value in fields:
        response.headers.append(name, value)
    return response


def of_error(error: Exception, services: Services) -> Response | None:
    """The answer to an error; None for a bug of ours."""
    if isinstance(error, BadRecipients):
        refused = [{"address": address, "reason": reason} for address, reason in error.refused]
        return problem(422, "bad-recipients", str(error), recipients=refused)
    if isinstance(error, BadRequest):
        return problem(422, "bad-request", str(error), errors=error.errors)
    found = fault_of(error)
    if found is None:
        return None
    fault, text = found
    return problem(fault.status, fault.code, text, fields=_fields(fault, services))


def _fields(fault: Fault, services: Services) -> Fields:
    if fault.status == HTTPStatus.UNAUTHORIZED:
        return challenges(services)
    return [("Retry-After", str(fault.retry_s))] if fault.retry_s else []


def incident(number: str) -> Response:
    """A bug of ours: the log has more under that number."""
    return problem(500, "incident", f"this is our fault, and stands in the log as {number}")
