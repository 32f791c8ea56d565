"""Logging in and out."""

import logging

from starlette.responses import Response

from opostd.http.login import check_way
from opostd.model.errors import LoginFailed, NotAllowed
from opostd.web import render, sessions
from opostd.web.visit import Visit

log = logging.getLogger("opostd.web")


async def form(visit: Visit) -> Response:
    return _form(visit, visit.query.get("next", ""))


def _form(visit: Visit, following: str, *, wrong: str = "", name: str = "", status: int = 200) -> Response:
    try:
        check_way(visit.client, visit.services)
    except NotAllowed as error:
        wrong, status = str(error), 403
    return render.page("login", None, status=status, next=render.local(following), wrong=wrong, name=name)


async def log_in(visit: Visit) -> Response:
    """To where the person was going.  The session is a new one whatever the browser had."""
    check_way(visit.client, visit.services)
    name, following = visit.form.get("name", ""), visit.form.get("next", "")
    try:
        account = await visit.services.auth.login(name, visit.form.get("password", ""), visit.client.peer)
    except LoginFailed:
        visit.services.counts.failed_logins["http"] += 1
        log.warning("login-failed peer=%s name=%r", visit.client.peer, name)
        return _form(visit, following, wrong="Wrong name or password.", name=name[:200], status=401)
    session = await sessions.begin(visit.services, account)
    answer = render.go(render.local(following))
    answer.headers["Set-Cookie"] = sessions.cookie(session, visit.client)
    return answer


async def log_out(visit: Visit) -> Response:
    assert visit.session is not None
    await sessions.end(visit.services, visit.session)
    answer = render.go("/login")
    answer.headers["Set-Cookie"] = sessions.cookie(None, visit.client)
    return answer
