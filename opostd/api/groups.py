"""Groups: those one may know of, who is in them, joining and leaving."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path
from starlette.responses import JSONResponse, Response

from opostd.api.caller import Me
from opostd.model.errors import Explained, NoSuchAddress
from opostd.nouns import groups as nouns
from opostd.nouns.groups import Group, Known, Member
from opostd.store import sources

GroupName = Annotated[str, Path(alias="group", max_length=400, description="Its address; the domain may be left out.")]


@dataclass(frozen=True, slots=True)
class Membership:
    """state: ``reader``, ``none``, or ``asked`` where an owner or moderator decides first."""

    group: str
    state: str


async def list_groups(me: Me) -> list[Group]:
    return [nouns.shown(each) for each in await nouns.known_to(me.store, me.account)]


async def show_group(me: Me, group: GroupName) -> Group:
    return nouns.shown(await _known(me, group))


async def list_members(me: Me, group: GroupName) -> list[Member]:
    known = await _known(me, group)
    if not (me.account.admin or known.decides):
        raise Explained("who reads a group is shown to its owners and moderators")
    return await nouns.members(me.store, known.source.box)


async def show_membership(me: Me, group: GroupName) -> Membership:
    known = await _known(me, group)
    return Membership(known.source.address, "reader" if known.reads else "none")


async def join(me: Me, group: GroupName) -> Response:
    known = await _known(me, group)
    if not known.reads:
        await me.intake.membership.ask(known.source, leaves=False, mail_from=me.account.login, account=me.account)
        known = await _again(me, known)
    state, status = ("reader", 200) if known.reads else ("asked", 202)
    return JSONResponse({"group": known.source.address, "state": state}, status_code=status)


async def leave(me: Me, group: GroupName) -> Response:
    known = await _known(me, group)
    if not known.reads:
        raise NoSuchAddress("they do not read it")
    await me.intake.membership.ask(known.source, leaves=True, mail_from=me.account.login, account=me.account)
    return Response(status_code=204)


async def _known(me: Me, group: str) -> Known:
    return await nouns.known(me.store, me.account, me.folded(group))


async def _again(me: Me, known: Known) -> Known:
    reads = bool(await me.store.run(sources.targets, me.owner, known.source.box))
    return Known(known.source, known.roles, reads)
