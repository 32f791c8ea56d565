"""What one reads: into which mailbox, and how much of before."""

from pydantic import BaseModel, ConfigDict, Field

from opostd.api.caller import Me
from opostd.api.groups import GroupName
from opostd.api.problem import BadRequest
from opostd.http.caller import Caller
from opostd.model.errors import Explained, NoSuchAddress
from opostd.model.ids import Uid
from opostd.nouns import groups, subscribed
from opostd.nouns.groups import Known
from opostd.nouns.subscribed import Subscription
from opostd.nouns.times import day
from opostd.store import boxes, provision, sources
from opostd.store.newcomers import FROM_JOIN, START, From

_SINCE = "start, a post such as #17, or a day such as 2026-11-01"


class Change(BaseModel):
    """What is to be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    box: str | None = Field(default=None, max_length=1000, description="Where it goes from now on; made if not there.")
    since: str | None = Field(
        default=None, max_length=40, description=f"History, as far as the group gives it: {_SINCE}."
    )


async def list_subscriptions(me: Me) -> list[Subscription]:
    return await subscribed.listing(me.store, me.owner, me.now)


async def show_subscription(me: Me, group: GroupName) -> list[Subscription]:
    return await _of(me, (await _known(me, group)).source.address)


async def change_subscription(me: Me, group: GroupName, change: Change) -> list[Subscription]:
    known = await _known(me, group)
    address = known.source.address
    since = None if change.since is None else _since(me, known, change.since)
    if change.box is not None:
        await provision.move_subscription(me.store, address, me.owner, change.box, me.now)
    if since is not None:
        for target in await me.store.run(sources.targets, me.owner, known.source.box):
            name = (await me.store.run(boxes.box_by_id, me.owner, target)).name
            await provision.subscribe(me.store, address, me.owner, box=name, since=since, now=me.now)
    return await _of(me, address)


async def _known(me: Me, group: str) -> Known:
    known = await groups.known(me.store, me.account, me.folded(group))
    if not known.reads:
        raise NoSuchAddress("they do not read it")
    return known


async def _of(me: Me, address: str) -> list[Subscription]:
    return [each for each in await subscribed.listing(me.store, me.owner, me.now) if each.group == address]


def _since(me: Caller, known: Known, text: str) -> From:
    """As far as the group gives history to newcomers, or all of it for its owners.  Raises BadRequest, Explained."""
    begin = START if text == "start" else None
    if text[:1] == "#" and text[1:].isdecimal() and text.isascii() and 0 < int(text[1:]) < 2**32:
        begin = From(uid=Uid(int(text[1:]) - 1))
    elif begin is None and (date := day(text)) is not None:
        begin = From(date=date)
    if begin is None:
        raise BadRequest([{"where": ["since"], "what": f"expected {_SINCE}"}])
    policy = known.source.history
    if me.account.admin or known.decides or policy == 0:
        return begin
    if policy == FROM_JOIN:
        raise Explained("this group gives its newcomers nothing of before")
    if begin == START:
        return From(date=policy)
    if begin.date is None:
        raise Explained("this group gives posts from a day on: name a day, or start")
    return From(date=max(policy, begin.date))
