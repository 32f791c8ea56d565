"""Groups as somebody may know of them: those they read or have a role in, and those that one may ask to join.

What must stay true (promise 4): of any other group nobody learns that it is there; who reads a group is told to those
who decide for it, and to administrators.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opostd.intake.rights import DECIDES
from opostd.model.errors import NoSuchAddress
from opostd.model.ids import BoxId
from opostd.model.records import Account, Joining, MemberRole, Source
from opostd.store import nesting, outside, provision, sources, subscriptions
from opostd.store.run import Store

ROLES = (
    (MemberRole.READER, "reader"),
    (MemberRole.SENDER, "sender"),
    (MemberRole.MODERATOR, "moderator"),
    (MemberRole.OWNER, "owner"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """who_may_post, joining, moderation: as ``opostd group set`` has them.

    reads: one's INBOX, or another box, gets its posts; roles: beside that.
    """

    address: str
    title: str
    who_may_post: str
    joining: str
    moderation: str
    reads: bool
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Member:
    """kind: ``person``, ``group``, or ``outside`` for an address of another server."""

    address: str
    kind: str
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Known:
    """A source, and what somebody is to it."""

    source: Source
    roles: MemberRole
    reads: bool

    @property
    def decides(self) -> bool:
        return bool(self.roles & DECIDES)


def word(value: Joining | object) -> str:
    """``non-members`` of ``Moderation.NON_MEMBERS``."""
    return str(getattr(value, "name", value)).lower().replace("_", "-")


async def known_to(store: Store, account: Account) -> list[Known]:
    """The groups that somebody may know of, by address."""
    every = await store.run(sources.sources)
    read = {each.source for each in await store.run(subscriptions.of_owner, account.owner)}
    roles = await store.run(sources.roles, [each.box for each in every], account.owner)
    found = [Known(each, roles.get(each.box, MemberRole(0)), each.box in read) for each in every]
    return [
        each for each in found if account.admin or each.reads or each.roles or each.source.joining is not Joining.CLOSED
    ]


async def known(store: Store, account: Account, address: str) -> Known:
    """One of these.  address: folded.  Raises NoSuchAddress."""
    source = await store.run(sources.source_at, address)
    if source is not None:
        reads = bool(await store.run(sources.targets, account.owner, source.box))
        found = Known(source, await store.run(provision.role, source.box, account.owner), reads)
        if account.admin or found.reads or found.roles or source.joining is not Joining.CLOSED:
            return found
    raise NoSuchAddress(f"there is no group {address}")


def shown(known: Known) -> Group:
    source = known.source
    return Group(
        source.address,
        source.title,
        word(source.post),
        word(source.joining),
        word(source.moderation),
        known.reads,
        [name for bit, name in ROLES[1:] if known.roles & bit],
    )


def role_names(roles: MemberRole) -> list[str]:
    return [name for bit, name in ROLES if roles & bit]


async def members(store: Store, box: BoxId) -> list[Member]:
    """Everybody, by address: people, groups inside, and who is elsewhere."""
    people = [Member(each.address, "person", role_names(each.role)) for each in await store.run(provision.members, box)]
    addresses = {each.box: each.address for each in await store.run(sources.sources)}
    inner = [
        Member(addresses[each], "group", ["reader"])
        for each in await store.run(nesting.members, box)
        if each in addresses
    ]
    away = [Member(each.address, "outside", ["reader"]) for each in await store.run(outside.members, box)]
    return [*_sorted(people), *_sorted(inner), *_sorted(away)]


def _sorted(found: Sequence[Member]) -> list[Member]:
    return sorted(found, key=lambda each: each.address)
