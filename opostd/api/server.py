"""The API as an ASGI application: who asks comes first, then the body, then the row of the table.

What must stay true (security.md 1.6): whoever has not logged in learns nothing but that they must, and no octet of
their body is read; no more of a body is read than its kind may have; a bug of ours is told as a number.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opostd import __version__
from opostd.api import docs, problem
from opostd.api.caller import PREFIX
from opostd.api.problem import BadRequest
from opostd.api.routes import JSON, MESSAGE, ROWS, Row, allowed, described, rows_at
from opostd.http import body
from opostd.http.caller import Caller
from opostd.http.front import Message, Receive, Scope, Send, header
from opostd.http.login import account_of
from opostd.http.services import Services
from opostd.model.errors import OpostError

log = logging.getLogger("opostd.api")

LARGE_AT_ONCE = 4  # whole messages in memory at one time, as at the SMTP doors
OPENAPI, DOCS = f"{PREFIX}/openapi.json", f"{PREFIX}/docs"
NOT_FOUND = "there is no such resource"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Api:
    """An ASGI application for all paths below PREFIX."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._app = _app(services)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._docs: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == PREFIX:
            scope["path"] = f"{PREFIX}/"
        answer = self._public(scope)
        if answer is None:
            try:
                rows = rows_at(scope["path"])
                account = await account_of(scope, self._services)
                await self._services.saw(account.owner)
                scope["opostd.caller"] = Caller(self._services, account, scope["opostd.client"])
                row = next((each for each in rows if each.method == scope["method"]), None)
                if row is None:
                    answer = _no_row(rows)
                else:
                    return await self._answered(row, scope, receive, _telling(send, allowed(rows)))
            except OpostError as error:
                answer = problem.of_error(error, self._services)
                assert answer is not None
        await answer(scope, receive, send)

    async def _answered(self, row: Row, scope: Scope, receive: Receive, send: Send) -> None:
        """With the body read to its end, as far as the row takes one."""
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        if row.takes and kind not in row.takes:
            wanted = " or ".join(row.takes)
            answer = problem.problem(415, "bad-type", f"the body has to be {wanted}", fields=[("Accept", wanted)])
            return await answer(scope, receive, send)
        if kind == MESSAGE and MESSAGE in row.takes:
            spool = await body.spooled(scope, receive, self._services.settings.limits.max_message_octets)
            async with self._large:  # whoever is slow has been waited for outside
                octets = await asyncio.to_thread(lambda: b"".join(spool.take()))
                return await self._app(scope, _replay(octets, receive), send)
        octets = await body.read(scope, receive, body.MAX_JSON if row.takes else body.KIB)
        await self._app(scope, _replay(octets, receive), send)

    def _public(self, scope: Scope) -> Response | None:
        """What is told to anybody: how the API is made, and nothing of what is in it."""
        path, method = scope["path"], scope["method"]
        if method == "OPTIONS":
            rows = rows_at(path)
            return JSONResponse(described(rows), headers={"Allow": allowed(rows)}) if rows else None
        if method == "GET" and path == OPENAPI:
            return JSONResponse(self._app.openapi())
        if method == "GET" and path == DOCS:
            if self._docs is None:
                self._docs = docs.page(self._app.openapi()).encode()
            return Response(self._docs, media_type="text/html", headers={"Content-Security-Policy": docs.POLICY})
        return None


def _no_row(rows: Any) -> Response:
    if rows:
        methods = allowed(rows)
        return problem.problem(405, "no-such-method", f"here are {methods}", fields=[("Allow", methods)])
    return problem.problem(404, "not-found", NOT_FOUND)


def _telling(send: Send, methods: str) -> Send:
    """Each answer says what else may be asked of the resource."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"allow", methods.encode())]}
        await send(message)

    return told


def _replay(octets: bytes, receive: Receive) -> Receive:
    """The body that was read, once; then what the connection says."""
    left = True

    async def again() -> Message:
        nonlocal left
        if left:
            left = False
            return {"type": "http.request", "body": octets, "more_body": False}
        return await receive()

    return again


def _app(services: Services | None) -> FastAPI:
    """services: None only where nobody asks."""
    app = FastAPI(
        title="opostd",
        version=__version__,
        description="Posts, groups, moderation and reach, for whoever has logged in: HTTP Basic, or a Bearer token.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for row in ROWS:
        app.router.add_api_route(
            row.whole,
            row.handler,
            methods=[row.method],
            summary=row.text,
            status_code=row.status,
            route_class_override=_route(services),
            response_class=JSONResponse if row.answers in (JSON, "") else Response,
            responses=_responses(row),
            openapi_extra=_taken(row),
            operation_id=row.handler.__name__,
        )
    app.openapi = _with_logins(app, app.openapi)  # type: ignore[method-assign]
    return app


def description() -> dict[str, Any]:
    """The OpenAPI document: the same for every server of this version."""
    return _app(None).openapi()


def _responses(row: Row) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        "4XX": {"description": "Refused (RFC 9457)", "content": {"application/problem+json": {}}},
        503: {"description": "Not now: see Retry-After", "content": {"application/problem+json": {}}},
    }
    if row.answers not in (JSON, ""):
        found[row.status] = {"description": row.text, "content": {row.answers: {}}}
    return found


def _taken(row: Row) -> dict[str, Any] | None:
    """The body of a row that reads it itself."""
    if MESSAGE not in row.takes:
        return None
    from opostd.api.sending import NewPost

    schema = NewPost.model_json_schema()
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}, MESSAGE: {}}}}


def _with_logins(app: FastAPI, make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def described_whole() -> dict[str, Any]:
        schema = make()
        schemes = {"basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
        schema.setdefault("components", {})["securitySchemes"] = schemes
        schema["security"] = [{"basic": []}, {"bearer": []}]
        return schema

    return described_whole


def _route(services: Services | None) -> type[APIRoute]:
    """Routes that answer every error themselves."""

    class Answering(APIRoute):
        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    return await inner(request)
                except RequestValidationError as error:
                    found = [{"where": list(each["loc"]), "what": each["msg"]} for each in error.errors()]
                    return _of(BadRequest(found))
                except HTTPException as error:
                    return problem.problem(error.status_code, "bad-request", str(error.detail))
                except Exception as error:
                    return _of(error)

            return handler

    def _of(error: Exception) -> Response:
        assert services is not None
        answer = problem.of_error(error, services)
        if answer is None:
            number = secrets.token_hex(4)
            log.error("incident number=%s", number, exc_info=error)
            answer = problem.incident(number)
        return answer

    return Answering
