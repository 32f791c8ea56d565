"""Posts that wait for a moderator: seen and decided by those who decide for the group."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from opostd.api.caller import Me, PostName
from opostd.http.caller import Caller
from opostd.http.raw import raw_of
from opostd.nouns import held as nouns
from opostd.nouns.held import HeldPost
from opostd.nouns.posts import post_id

OfGroup = Annotated[str, Query(alias="group", max_length=400, description="Only for this group.")]


async def list_held(me: Me, group: OfGroup = "") -> list[HeldPost]:
    addresses = await nouns.decided_by(me.store, me.account)
    if group:
        addresses = {box: address for box, address in addresses.items() if address == me.folded(group)}
    return await nouns.waiting(me.store, addresses)


async def show_held(me: Me, id_: PostName) -> list[HeldPost]:
    addresses, rows = await nouns.rows(me.store, me.account, post_id(id_))
    return await nouns.listing(me.store, rows, addresses)


async def show_held_raw(me: Me, id_: PostName) -> Response:
    post = post_id(id_)
    await nouns.rows(me.store, me.account, post)
    return await raw_of(me.services, post)


async def accept(me: Me, id_: PostName, group: OfGroup = "") -> Response:
    return await _decide(me, id_, group, accept=True)


async def discard(me: Me, id_: PostName, group: OfGroup = "") -> Response:
    return await _decide(me, id_, group, accept=False)


async def _decide(me: Caller, id_: str, group: str, *, accept: bool) -> Response:
    moderators = me.intake.moderators
    _, rows = await nouns.rows(me.store, me.account, post_id(id_), me.folded(group) if group else "")
    for row in rows:
        await (moderators.accept if accept else moderators.discard)(row, me.account)
    return Response(status_code=204)
