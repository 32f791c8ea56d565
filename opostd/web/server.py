"""The web pages as an ASGI application: a table of pages; the session first, the form's token before the deed.

What must stay true (security.md 1.6): nothing is changed by a GET but that a post was read; a form is taken from its
own session and from no other site; a fault of ours is a number.
"""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, quote

from starlette.responses import Response

from opostd.http import body
from opostd.http.faults import fault_of
from opostd.http.front import Receive, Scope, Send
from opostd.http.login import check_site
from opostd.http.services import Services
from opostd.model.errors import BadMessage, NoSuchPost, NotAllowed
from opostd.web import groups, held, login, mail, render, sessions
from opostd.web.visit import Visit

log = logging.getLogger("opostd.web")

MAX_FORM = 64 * body.KIB
MAX_FIELDS = 20


async def _start(visit: Visit) -> Response:
    return render.go("/inbox")


async def _style(visit: Visit) -> Response:
    return render.style(visit)


@dataclass(frozen=True, slots=True)
class Row:
    """path: with names in braces; open: for everybody, without a session."""

    method: str
    path: str
    handler: Callable[[Visit], Awaitable[Response]]
    open: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path.replace(".", r"\.")))


ROWS = (
    Row("GET", "/", _start),
    Row("GET", "/style.css", _style, open=True),
    Row("GET", "/login", login.form, open=True),
    Row("POST", "/login", login.log_in, open=True),
    Row("POST", "/logout", login.log_out),
    Row("GET", "/inbox", mail.inbox),
    Row("GET", "/posts/{id}", mail.post),
    Row("GET", "/posts/{id}/body", mail.body),
    Row("GET", "/posts/{id}/source", mail.source),
    Row("POST", "/posts/{id}/unread", mail.unread),
    Row("POST", "/posts/{id}/trash", mail.trash),
    Row("POST", "/posts/{id}/recall", mail.recall),
    Row("GET", "/groups", groups.listing),
    Row("GET", "/groups/{group}", groups.one),
    Row("POST", "/groups/{group}/join", groups.join),
    Row("POST", "/groups/{group}/leave", groups.leave),
    Row("GET", "/held", held.listing),
    Row("GET", "/held/{id}", held.one),
    Row("GET", "/held/{id}/body", held.body),
    Row("POST", "/held/{id}/accept", held.accept),
    Row("POST", "/held/{id}/discard", held.discard),
)
_PATTERNS = [(row.pattern, row) for row in ROWS]


class Web:
    """An ASGI application for all paths but the API's."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        session: sessions.Session | None = None
        try:
            row, names = _row(scope)
            session = None if row is not None and row.open else await sessions.found(self._services, scope)
            if row is None:
                raise NoSuchPost("there is no such page")
            answer = await self._answer(row, names, session, scope, receive)
        except Exception as error:
            answer = _fault(error, session)
        await answer(scope, receive, send)

    async def _answer(
        self, row: Row, names: dict[str, str], session: sessions.Session | None, scope: Scope, receive: Receive
    ) -> Response:
        query = scope["query_string"].decode("latin-1")
        where = scope["path"] + (f"?{query}" if query else "")
        if session is None and not row.open:
            following = where if row.method == "GET" else "/inbox"
            return render.go(f"/login?next={quote(render.local(following), safe='/')}")
        if session is not None:
            await self._services.saw(session.account.owner)
        form: dict[str, str] = {}
        if row.method == "POST":
            check_site(scope)
            form = _fields((await body.read(scope, receive, MAX_FORM)).decode("utf-8", "replace"))
            if session is not None and not session.made(form.get("token", "")):
                raise NotAllowed("this form is of another session: open the page again")
        visit = Visit(
            self._services, scope["opostd.client"], session, where, names, _fields(query), form
        )  # fmt: skip
        return await row.handler(visit)


def _row(scope: Scope) -> tuple[Row | None, dict[str, str]]:
    for pattern, row in _PATTERNS:
        if row.method == scope["method"] and (match := pattern.fullmatch(scope["path"])) is not None:
            return row, match.groupdict()
    return None, {}


def _fields(text: str) -> dict[str, str]:
    """Raises BadMessage."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise BadMessage("too many fields") from error


def _fault(error: Exception, session: sessions.Session | None) -> Response:
    found = fault_of(error)
    if found is None:
        number = secrets.token_hex(4)
        log.error("incident number=%s", number, exc_info=error)
        status, text, retry_s = 500, f"This is our fault, and stands in the log as {number}.", 0
    else:
        status, text, retry_s = found[0].status, found[1][:1].upper() + found[1][1:] + ".", found[0].retry_s
    answer = render.page("error", session, status=status, title=HTTPStatus(status).phrase, text=text)
    if retry_s:
        answer.headers["Retry-After"] = str(retry_s)
    return answer
