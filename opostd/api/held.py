"""Posts that wait for a moderator: seen and decided by those who decide for the group."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from opostd.api.caller import Caller, Me, PostName, post_id
from opostd.api.posts import raw_of
from opostd.intake.rights import DECIDES
from opostd.model.errors import NoSuchPost
from opostd.model.ids import BoxId
from opostd.nouns import held as nouns
from opostd.nouns.held import HeldPost
from opostd.store import held, sources
from opostd.store.held import Held

SHOWN = 1000
OfGroup = Annotated[str, Query(alias="group", max_length=400, description="Only for this group.")]


async def list_held(me: Me, group: OfGroup = "") -> list[HeldPost]:
    addresses = await decided_by(me)
    rows: list[Held] = []
    for box, address in addresses.items():
        if not group or address == me.folded(group):
            rows += await me.store.run(held.waiting, box, SHOWN)
    rows = sorted(rows, key=lambda row: row.post)[:SHOWN]
    return await nouns.listing(me.store, rows, addresses)


async def show_held(me: Me, id_: PostName) -> list[HeldPost]:
    addresses, rows = await _rows(me, id_, "")
    return await nouns.listing(me.store, rows, addresses)


async def show_held_raw(me: Me, id_: PostName) -> Response:
    await _rows(me, id_, "")
    return await raw_of(me.services, post_id(id_))


async def accept(me: Me, id_: PostName, group: OfGroup = "") -> Response:
    return await _decide(me, id_, group, accept=True)


async def discard(me: Me, id_: PostName, group: OfGroup = "") -> Response:
    return await _decide(me, id_, group, accept=False)


async def _decide(me: Caller, id_: str, group: str, *, accept: bool) -> Response:
    moderators = me.intake.moderators
    for row in (await _rows(me, id_, group))[1]:
        await (moderators.accept if accept else moderators.discard)(row, me.account)
    return Response(status_code=204)


async def decided_by(me: Caller) -> dict[BoxId, str]:
    """The groups that somebody decides for, by their box."""
    every = await me.store.run(sources.sources)
    if me.account.admin:
        return {each.box: each.address for each in every}
    roles = await me.store.run(sources.roles, [each.box for each in every], me.owner)
    return {each.box: each.address for each in every if roles.get(each.box, DECIDES & 0) & DECIDES}


async def _rows(me: Caller, id_: str, group: str) -> tuple[dict[BoxId, str], list[Held]]:
    """What waits under that id for somebody's groups.  Raises NoSuchPost."""
    addresses = await decided_by(me)
    rows = [row for row in await me.store.run(held.of_post, post_id(id_)) if row.box in addresses]
    if group:
        rows = [row for row in rows if addresses[row.box] == me.folded(group)]
    if not rows:
        raise NoSuchPost("nothing waits under this id")
    return addresses, rows
