"""The page of what waits for one's decision."""

from starlette.responses import Response

from opostd.nouns import held
from opostd.nouns.posts import post_id
from opostd.web import render
from opostd.web.mail import framed
from opostd.web.visit import Visit


async def listing(visit: Visit) -> Response:
    me = visit.me
    found = await held.waiting(me.store, await held.decided_by(me.store, me.account))
    return render.page("held", visit.session, held=found, one="")


async def one(visit: Visit) -> Response:
    me, id_ = visit.me, post_id(visit.names["id"])
    addresses, rows = await held.rows(me.store, me.account, id_)
    return render.page("held", visit.session, held=await held.listing(me.store, rows, addresses), one=id_.hex())


async def body(visit: Visit) -> Response:
    me, id_ = visit.me, post_id(visit.names["id"])
    await held.rows(me.store, me.account, id_)
    return await framed(me, id_)


async def accept(visit: Visit) -> Response:
    return await _decide(visit, accept=True)


async def discard(visit: Visit) -> Response:
    return await _decide(visit, accept=False)


async def _decide(visit: Visit, *, accept: bool) -> Response:
    me, group = visit.me, visit.query.get("group", "")
    rows = (await held.rows(me.store, me.account, post_id(visit.names["id"]), me.folded(group) if group else ""))[1]
    for row in rows:
        await (me.intake.moderators.accept if accept else me.intake.moderators.discard)(row, me.account)
    return render.go("/held")
