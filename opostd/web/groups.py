"""Pages of groups: which there are, joining and leaving."""

from starlette.responses import Response

from opostd.nouns import groups
from opostd.nouns.groups import Known
from opostd.web import render
from opostd.web.visit import Visit


async def listing(visit: Visit) -> Response:
    me = visit.me
    found = [groups.shown(each) for each in await groups.known_to(me.store, me.account)]
    return render.page("groups", visit.session, groups=found)


async def one(visit: Visit) -> Response:
    """Where List-Unsubscribe leads: a mail program, or a scanner, that looks at it does nothing yet."""
    return await _page(visit)


async def join(visit: Visit) -> Response:
    return await _ask(visit, leaves=False)


async def leave(visit: Visit) -> Response:
    return await _ask(visit, leaves=True)


async def _ask(visit: Visit, *, leaves: bool) -> Response:
    me, known = visit.me, await _known(visit)
    if known.reads is leaves:
        await me.intake.membership.ask(known.source, leaves=leaves, mail_from=me.account.login, account=me.account)
    if leaves:
        return render.go("/groups")  # it may be one that nobody may know of any more
    return await _page(visit, asked=True)


async def _page(visit: Visit, *, asked: bool = False) -> Response:
    known = await _known(visit)
    if known.reads:
        said = "You read this group."
    else:
        said = "You have asked to join; an owner or moderator decides." if asked else "You do not read this group."
    return render.page("group", visit.session, group=groups.shown(known), said=said)


async def _known(visit: Visit) -> Known:
    return await groups.known(visit.me.store, visit.me.account, visit.me.folded(visit.names["group"]))
