"""An address leads to boxes: a user's INBOX, the source box of a group or of `everyone`, or what an alias names.

Where mail may leave, an address of another domain leads there, for who has logged in, and for an alias.

RFC 5321 4.5.1 (postmaster), RFC 5233 (+detail).  What must stay true: nothing is relayed for anybody who has not
logged in; nobody posts to a source whose policy does not let them; the same user twice is one target; an alias that
leads in a circle, or to too many, ends; `postmaster` of each of our domains leads to somebody as long as there is an
administrator.
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from opostd.intake.rights import asks_below, asks_for_roles, is_held, may_post
from opostd.intake.verp import return_path, token_of
from opostd.model.errors import BadAddress, LimitReached, NoSuchAddress, NoSuchBox, NotAllowed, Refused
from opostd.model.ids import NOBODY, BoxId, OwnerId
from opostd.model.mailing import Outside, Place, Recipient, Service, Target
from opostd.model.records import Account, Address, AddressKind, MemberRole, ServiceKind, Source
from opostd.store import accounts, boxes, outside, provision, sources
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

MAX_ALIAS_DEPTH = 10  # an alias of an alias of ... : deeper is a mistake
MAX_ALIAS_ADDRESSES = 1000  # as many as a message may have recipients; past it a group is the right thing
MAX_INBOXES = 100_000  # remembered INBOX ids, about 20 MiB
JUST_NOW_S = 1.0  # from RCPT to the end of the message, where it is not long: it might have come so much earlier
MAX_READ = 1000  # remembered sources
GLANCE = 8  # addresses that the loop itself may look for
POSTMASTER = "postmaster"


Known = Mapping[str, Address | None]
"""What folded addresses lead to, where that was asked for; None: to nothing."""

NOTHING: Known = MappingProxyType({})


@dataclass(slots=True)
class Router:
    """Looks addresses up.  domains: ours; relay: whether mail may leave."""

    store: Store
    domains: tuple[str, ...]
    relay: bool = False
    # An INBOX is neither deleted nor renamed (RFC 9051 6.3.6), and an owner's id is never given again.
    _inboxes: dict[OwnerId, BoxId] = field(default_factory=dict)
    # Sources as they were read for the last check of their policies, and when: a message to one passes that itself,
    # before it comes, so what stands here is never older than its own.
    _read: dict[BoxId, tuple[float, Source]] = field(default_factory=dict)

    async def ahead(self, addresses: Sequence[str]) -> Known:
        """What ``route`` will ask of these first, asked at once; INBOXes are remembered.  Raises Unavailable."""
        addrs: dict[str, None] = {}
        for address in addresses:
            with contextlib.suppress(BadAddress):  # of another server, or none: ``route`` has the answer
                addrs[accounts.fold_address(address, self.domains)] = None
        rows = await self._look_up(list(addrs))
        new = {row.owner for row in rows.values() if row.kind is AddressKind.USER} - self._inboxes.keys()
        if new:
            self._remember(await self.store.run(boxes.inboxes, sorted(new)))
        return {addr: rows.get(addr) for addr in addrs}

    async def route(self, address: str, account: Account | None, known: Known = NOTHING) -> tuple[Place, ...]:
        """The places, each once, in the order found.  address: with or without a domain; account: who sends, if known.

        known: of ``ahead``, just now.

        Raises NoSuchAddress, NotAllowed, BadAddress, LimitReached, Unavailable.
        """
        if self.relay and self._is_outside(address):
            if account is None:
                raise NotAllowed(f"no relaying to {address}")
            return (accounts.outside(address),)
        addr = accounts.fold_address(address, self.domains)
        if (token := token_of(addr)) is not None and (owners := await self._owners(token)) is not None:
            return owners
        found = known[addr] if addr in known else (await self._look_up([addr])).get(addr)
        if found is not None and found.kind is AddressKind.USER:  # nearly all
            return (await self._inbox(found.owner),)
        if found is None and addr.partition("@")[0] != POSTMASTER:
            raise NoSuchAddress(addr)
        leaves = [] if found is None else await self._leaves(found)
        targets: dict[Place, None] = {}
        refusal: Exception | None = None
        for leaf in leaves:
            try:
                if isinstance(leaf, Outside):
                    targets[leaf] = None
                    continue
                for target in await self._targets(leaf, account):
                    targets[target] = None
            except (NoSuchBox, NoSuchAddress, NotAllowed) as error:
                refusal = error
        if addr.partition("@")[0] == POSTMASTER:
            if not targets:
                targets = dict.fromkeys([*await self._administrators()])
        elif isinstance(refusal, NotAllowed):
            # Half of an alias would be mail that is lost without a word.
            raise refusal
        if not targets:
            raise NoSuchAddress(addr)
        return tuple(targets)

    async def route_report(self, sender: str) -> tuple[Place, ...]:
        """Where what is to be told to a sender goes.  Raises NoSuchAddress, NotAllowed, BadAddress, Unavailable."""
        if self._is_outside(sender) and self.relay:
            return (accounts.outside(sender),)
        # The server tells itself nothing, and a group is no place for what one person is to be told.
        found = tuple(
            each
            for each in await self.route(sender, None)
            if (isinstance(each, Outside) and not each.via) or (isinstance(each, Target) and not each.source)
        )
        if not found:
            raise NoSuchAddress(f"{sender} is no person")
        return found

    def is_ours(self, address: str) -> bool:
        """Whether an address is in a domain of ours; an empty one is in none."""
        return bool(address) and not self._is_outside(address)

    def _is_outside(self, address: str) -> bool:
        _, at, domain = address.rpartition("@")
        return bool(at) and domain.lower().removesuffix(".") not in {each.lower() for each in self.domains}

    async def owns(self, address: str, account: Account) -> bool:
        """Whether an address may be written as a sender by this account: its own with any +tag, or an alias of it."""
        try:
            addr = accounts.fold_address(address, self.domains)
            if addr == account.login:
                return True
            targets = await self.route(addr, account)
        except (NoSuchAddress, NotAllowed, BadAddress, LimitReached):
            return False
        return any(isinstance(each, Target) and each.owner == account.owner and not each.source for each in targets)

    async def _look_up(self, addrs: Sequence[str]) -> dict[str, Address]:
        """What of these is there, by the address as asked.  A +tag is dropped where only that finds a person."""
        bare = {addr: _without_tag(addr) for addr in addrs}
        wanted = list(dict.fromkeys([*bare, *bare.values()]))
        look = self.store.glance if len(wanted) <= GLANCE else self.store.run
        rows = await look(accounts.addresses, wanted)
        found: dict[str, Address] = {}
        for addr, without in bare.items():
            row = rows.get(addr)
            if row is None:
                row = rows.get(without)
                if row is not None and row.kind in (AddressKind.SOURCE, AddressKind.SERVICE):
                    row = None  # a group's tags would all be addresses that nobody has made
            if row is not None:
                found[addr] = row
        return found

    async def _leaves(self, start: Address) -> list[Address | Outside]:
        """What is behind an address, breadth first; one look-up for each level of aliases."""
        leaves: dict[str, Address | Outside] = {}
        seen = {start.addr}
        level = [start]
        for _ in range(MAX_ALIAS_DEPTH + 1):
            names: dict[str, None] = {}
            for address in level:
                if address.kind is AddressKind.ALIAS:
                    for name in self._folded(address):
                        if isinstance(name, Outside):
                            leaves[name.address] = name
                        elif name not in seen:
                            names[name] = None
                else:
                    leaves[address.addr] = address
            if not names:
                return list(leaves.values())
            seen.update(names)
            if len(seen) + len(leaves) > MAX_ALIAS_ADDRESSES:
                break
            rows = await self._look_up(list(names))
            for name in names.keys() - rows.keys():
                log.warning("alias %r leads to nobody: %r", start.addr, name)
            level = [rows[name] for name in names if name in rows]
        raise LimitReached(f"{start.addr} leads to too many addresses")

    def _folded(self, alias: Address) -> list[str | Outside]:
        names: list[str | Outside] = []
        for name in alias.target.split():
            try:
                if self.relay and self._is_outside(name):
                    names.append(accounts.outside(name))
                    continue
                names.append(accounts.fold_address(name, self.domains))
            except BadAddress:
                log.warning("alias %r has no address in %r", alias.addr, name)
        return names

    async def _targets(self, address: Address, account: Account | None) -> list[Place]:
        """A person's INBOX; the source of a group, those of the groups below it, and their members elsewhere; or the
        server itself.
        """
        if address.kind is AddressKind.USER:
            return [await self._inbox(address.owner)]
        if address.kind is AddressKind.SERVICE:
            return await self._service(address)
        source, below = await self.store.glance(sources.with_below, address.box)
        if source is None:  # being removed
            raise NoSuchAddress(address.addr)
        held = await self._check_policy(source, account, below)
        if len(self._read) >= MAX_READ:
            self._read.clear()
        self._read[source.box] = time.monotonic(), source
        if held:
            return [Target(address.owner, address.box, source=True, held=True)]
        inner = [Target(address.owner, box, source=True, nested=True) for box in below]
        copies = await self.copies(source, below)
        return [Target(address.owner, address.box, source=True), *inner, *copies]

    async def copies(self, source: Source, below: Sequence[BoxId]) -> list[Outside]:
        """Those of a source, and of the groups below it, who are elsewhere, where mail may leave."""
        if not self.relay or not (source.outside or below):
            return []
        found = await self.store.run(outside.reading, [source.box, *below])
        return [Outside(each.address, via, return_path(each.token, via)) for via, each in found]

    async def _owners(self, token: str) -> tuple[Place, ...] | None:
        """Who hears of mail to a member elsewhere that came back; None where nobody has this token."""
        member = await self.store.run(outside.of_token, token)
        source = None if member is None else await self.store.glance(provision.source, member.source)
        return None if source is None else await self.owners(source)

    async def owners(self, source: Source) -> tuple[Place, ...]:
        """Where what concerns a source goes: the address that was set for it, else its owners, else postmaster."""
        if source.bounces_to:
            try:
                return await self.route_report(source.bounces_to)
            except Refused as error:
                log.warning("bounces of %s cannot go to %s: %s", source.address, source.bounces_to, error)
        return tuple(await self._owners_inboxes(source.box)) or await self.route(
            f"{POSTMASTER}@{source.address.rpartition('@')[2]}", None
        )

    async def sources(self, targets: Sequence[Target]) -> list[Source]:
        """Of those of the targets that are sources and were named themselves; as ``route`` read them, if just now."""
        found = [await self._source(each.box) for each in targets if each.source and not each.nested]
        return [source for source in found if source is not None]

    async def _source(self, box: BoxId) -> Source | None:
        at, source = self._read.get(box, (0.0, None))
        if source is not None and time.monotonic() - at < JUST_NOW_S:
            return source
        return await self.store.glance(provision.source, box)

    async def deciders(self, box: BoxId, but: OwnerId = NOBODY) -> list[tuple[OwnerId, str]]:
        """The moderators of a group; where there is none its owners, where there is none the administrators."""
        for source, role in (
            (box, MemberRole.MODERATOR),
            (box, MemberRole.OWNER),
            (provision.ADMINISTRATORS, MemberRole.SENDER),
        ):
            found = await self.store.run(sources.with_role, source, role)
            if others := [(each.owner, each.address) for each in found if each.owner != but]:
                return others
        return []

    async def named_owners(self, box: BoxId) -> list[tuple[OwnerId, str]]:
        """The owners of a group, who are people; where there is none, the administrators."""
        found = await self.store.run(sources.with_role, box, MemberRole.OWNER)
        found = found or await self.store.run(sources.with_role, provision.ADMINISTRATORS, MemberRole.SENDER)
        return [(each.owner, each.address) for each in found]

    async def _owners_inboxes(self, box: BoxId) -> list[Place]:
        inboxes: list[Place] = []
        for each in await self.store.run(sources.with_role, box, MemberRole.OWNER):
            with contextlib.suppress(NoSuchBox):  # being removed
                inboxes.append(await self._inbox(each.owner))
        return inboxes

    async def _inbox(self, owner: OwnerId) -> Target:
        box = self._inboxes.get(owner)
        if box is None:
            box = (await self.store.glance(boxes.box_named, owner, "INBOX")).box
            self._remember({owner: box})
        return Target(owner, box)

    def _remember(self, inboxes: Mapping[OwnerId, BoxId]) -> None:
        if len(self._inboxes) + len(inboxes) > MAX_INBOXES:
            self._inboxes.clear()
        self._inboxes.update(inboxes)

    async def to_junk(self, recipient: Recipient) -> Recipient:
        """The same, with Junk for INBOX where its owner has such a box.  Raises Unavailable."""
        places: list[Place] = []
        for place in recipient.places:
            if isinstance(place, Target) and not place.source:
                found = await self.store.run(boxes.boxes, place.owner)
                place = next((Target(place.owner, each.box) for each in found if each.role == "Junk"), place)
            places.append(place)
        return Recipient(recipient.wish, tuple(places))

    async def _check_policy(self, source: Source, account: Account | None, below: Sequence[BoxId]) -> bool:
        """Whether a moderator has to decide.  Raises NotAllowed.

        below: groups in this one, whose members are members here.
        """
        roles = MemberRole(0)
        if account is not None and not account.admin and asks_for_roles(source):
            roles = await self.store.glance(provision.role, source.box, account.owner)
            if asks_below(source, roles):
                for box in below:
                    roles |= await self.store.glance(provision.role, box, account.owner) & MemberRole.READER
        if not may_post(source, account, roles):
            raise NotAllowed(f"may not post to {source.address}")
        return is_held(source, account, roles)

    async def _service(self, address: Address) -> list[Place]:
        """What stands beside a group: letters to its owners are theirs, the rest is answered by the server."""
        kind = ServiceKind(address.target)
        if kind is ServiceKind.OWNER:
            return list(await self._owners_inboxes(address.box) or await self._administrators())
        local, _, domain = address.addr.rpartition("@")
        return [Service(f"{local.removesuffix(f'-{kind.value}')}@{domain}", address.box, kind)]

    async def _administrators(self) -> list[Target]:
        members = await self.store.run(provision.members, provision.ADMINISTRATORS)
        return [await self._inbox(each.owner) for each in members]


def once_each(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Each box once, in order; one that is named is not below another only."""
    boxes: dict[tuple[OwnerId, BoxId], Target] = {}
    for target in targets:
        key = target.owner, target.box
        if key not in boxes or not target.nested:
            boxes[key] = target
    return tuple(boxes.values())


def _without_tag(addr: str) -> str:
    """``anna+tag@x`` is ``anna@x`` (RFC 5233)."""
    local, at, domain = addr.rpartition("@")
    bare = local.partition("+")[0]
    return f"{bare}{at}{domain}" if bare else addr
