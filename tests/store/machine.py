"""A model of people, groups and posts: a few dictionaries, and the store's operations beside them.

Each operation is done on the store, and again from its beginning where it was killed at some statement; then the
model changes as if it had been done once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from opostd.config import AgentSettings
from opostd.daemon.agent import Agent
from opostd.daemon.carrier import Carrier
from opostd.model.errors import GroupCycle
from opostd.model.flags import ALL_FLAGS, FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import PostId, Uid
from opostd.model.records import PostPolicy, Withdraw
from opostd.store import (
    active,
    boxes,
    changes,
    delivery,
    flags,
    moves,
    nesting,
    newcomers,
    posts,
    provision,
    quota,
    reap,
    sync,
    withdraw,
)
from tests.store.crashing import Crash, CrashingTx
from tests.store.world import DOMAIN, NOW, World, a_delivery, accept, new_post

T = TypeVar("T")
FAR = 2**37  # after every post's acceptance, in seconds
SWEPT = NOW + withdraw.AGAIN_S[-1] + 1


@dataclass
class Person:
    """inbox, archive: post -> flags; pending: of each group they read, what is still to come."""

    inbox: dict[PostId, int] = field(default_factory=dict)
    archive: dict[PostId, int] = field(default_factory=dict)
    pending: dict[str, list[PostId]] = field(default_factory=dict)
    before: dict[str, list[PostId]] = field(default_factory=dict)  # history that they have not been given

    def carry(self, *groups: str) -> None:
        for name in groups or tuple(self.pending):
            for post in self.pending[name]:
                self.inbox.setdefault(post, 0)
            self.pending[name] = []


@dataclass
class Group:
    """posts: what is there; uids: whatever was, in order; inner: the groups that are members."""

    posts: list[PostId] = field(default_factory=list)
    uids: list[PostId] = field(default_factory=list)
    pinned: set[PostId] = field(default_factory=set)
    inner: set[str] = field(default_factory=set)
    from_start: bool = False


class Model:
    """crash: at which statement of the next operation the process is killed; None for not at all."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store
        self.people: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.posts: list[PostId] = []
        self.withdrawn: set[PostId] = set()
        self.seen: dict[tuple[int, int], PostId] = {}
        self.crash: int | None = None
        self.crashes = 0

    async def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """The work, killed at a statement and begun anew."""
        CrashingTx.left, self.crash = self.crash, None
        try:
            return await work()
        except Crash:
            self.crashes += 1
            return await work()
        finally:
            CrashingTx.left = None

    # People and groups

    async def add_person(self, who: str) -> None:
        await self.do(lambda: provision.ensure_system(self.store, (DOMAIN,), now=NOW))
        if who not in self.people:
            await self.world.make(who)
            self.people[who] = Person(pending={"everyone": []}, before={"everyone": self.group("everyone").uids.copy()})

    async def remove_person(self, who: str) -> None:
        if self.people.pop(who, None) is not None:
            await self.do(lambda: provision.delete_user(self.store, f"{who}@{DOMAIN}"))

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    async def add_group(self, name: str) -> None:
        if name not in self.groups:
            # Not by the world, which looks at the address afterwards: killed there it would find the group made.
            addr = f"{name}@{DOMAIN}"
            await self.do(
                lambda: provision.add_group(self.store, addr, title=name, members=[], post=PostPolicy.LOCAL, now=NOW)
            )
            self.groups[name] = Group()

    async def remove_group(self, name: str) -> None:
        if self.groups.pop(name, None) is None:
            return
        await self.do(lambda: provision.delete_group(self.store, f"{name}@{DOMAIN}"))
        for group in self.groups.values():
            group.inner.discard(name)
        for person in self.people.values():
            if name in person.pending:
                person.carry(name)
                del person.pending[name], person.before[name]

    async def nest(self, outer: str, inner: str) -> None:
        if not {outer, inner} <= self.groups.keys():
            return
        addresses = f"{outer}@{DOMAIN}", f"{inner}@{DOMAIN}"
        if outer in self.below(inner):
            with pytest.raises(GroupCycle):
                await self.do(lambda: provision.nest(self.store, *addresses))
        else:
            await self.do(lambda: provision.nest(self.store, *addresses))
            self.groups[outer].inner.add(inner)

    def below(self, name: str) -> set[str]:
        """The group and all below it."""
        found = [name]
        for each in found:
            found += [inner for inner in self.groups[each].inner if inner not in found]
        return set(found)

    async def join(self, who: str, name: str) -> None:
        if who not in self.people or name not in self.groups:
            return
        await self.do(lambda: provision.join(self.store, f"{name}@{DOMAIN}", self.world.owner(who), now=NOW))
        person, group = self.people[who], self.groups[name]
        if name not in person.pending:
            person.pending[name] = group.posts.copy() if group.from_start else []
            person.before[name] = [] if group.from_start else group.uids.copy()
            if not group.from_start:
                for post in group.posts:
                    if post in group.pinned:
                        person.inbox.setdefault(post, 0)

    async def leave(self, who: str, name: str) -> None:
        if who not in self.people or name not in self.groups:
            return
        await self.do(lambda: provision.leave(self.store, f"{name}@{DOMAIN}", self.world.owner(who), NOW))
        person = self.people[who]
        if name in person.pending:
            person.carry(name)
            del person.pending[name], person.before[name]

    async def policy(self, name: str, from_start: bool) -> None:
        if name in self.groups:
            since = 0 if from_start else newcomers.FROM_JOIN
            await self.do(lambda: provision.set_history(self.store, f"{name}@{DOMAIN}", since))
            self.groups[name].from_start = from_start

    async def history(self, who: str, name: str) -> None:
        if who not in self.people or name not in self.groups:
            return
        owner = self.world.owner(who)
        await self.do(
            lambda: provision.subscribe(self.store, f"{name}@{DOMAIN}", owner, since=newcomers.START, now=NOW)
        )
        person, group = self.people[who], self.groups[name]
        person.pending.setdefault(name, [])
        for post in person.before.get(name, group.uids):
            if post in group.posts:
                person.inbox.setdefault(post, 0)
        person.before[name] = []
        person.carry()

    # Posts

    async def post(self, names: set[str]) -> None:
        names = names & self.groups.keys()
        if not names:
            return
        new = new_post()
        await self.do(lambda: accept(self.store, new))
        self.posts.append(new.facts.id)
        reached = set().union(*map(self.below, names))
        for name in sorted(names):
            source = await self.world.source(name)
            inner = {await self.world.source(each) for each in self.below(name) - {name}}
            assert set(await self.store.run(nesting.below, source)) == inner
        for name in sorted(reached):
            source = await self.world.source(name)
            await self.do(lambda source=source: self.world.send(source, new.facts.id))
            self.groups[name].posts.append(new.facts.id)
            self.groups[name].uids.append(new.facts.id)
            for person in self.people.values():
                if name in person.pending:
                    person.pending[name].append(new.facts.id)

    async def direct(self, who: str) -> None:
        """A message to one person alone, who is charged for it."""
        if who in self.people:
            post = await accept(self.store, new_post())
            self.posts.append(post)
            await self.do(lambda: self.store.run(delivery.deliver, *self.world.key(who), [a_delivery(post)], NOW))
            self.people[who].inbox[post] = 0

    async def pin(self, name: str, at: int) -> None:
        group = self.groups.get(name)
        if group is not None and group.posts:
            post = group.posts[at % len(group.posts)]
            source, uid = await self.world.source(name), Uid(group.uids.index(post) + 1)
            await self.do(lambda: self.store.run(newcomers.pin, source, uid))
            group.pinned.add(post)

    async def recall(self, at: int, policy: Withdraw) -> None:
        if self.posts:
            post = self.posts[at % len(self.posts)]
            found = await self.do(lambda: withdraw.recall(self.store, post, policy, NOW))
            self.take(post, found.policy)

    async def expire(self, at: int) -> None:
        """A post comes to its end; whatever was taken back before is swept once more."""
        if self.posts:
            post = self.posts[at % len(self.posts)]
            await self.do(lambda: withdraw.expire(self.store, post, NOW + 1))
            await self.do(lambda: Agent(self.store, lambda: SWEPT).once())
            if post not in self.withdrawn:
                self.take(post, Withdraw.UNTOUCHED)

    def take(self, post: PostId, policy: Withdraw) -> None:
        self.withdrawn.add(post)
        for group in self.groups.values():
            if post in group.posts:
                group.posts.remove(post)
        for person in self.people.values():
            for waiting in person.pending.values():
                if post in waiting:
                    waiting.remove(post)
            for box in (person.inbox, person.archive):
                bits = box.get(post, 0)
                stays = bits & SEEN if policy is Withdraw.UNREAD else bits & FLAGGED or box is person.archive
                if policy is Withdraw.ALL or not stays:
                    box.pop(post, None)

    async def reap(self) -> None:
        """Two passes with the time between them gone by: what nobody has or will have goes, all else stays."""
        ids = await self.store.run(reap.candidates, FAR, None, 500)
        used = await self.store.run(reap.referenced, ids)
        free = [id_ for id_ in ids if id_ not in used]
        await self.do(lambda: self.store.run(reap.note, free, list(used), NOW))
        await self.do(lambda: self.store.run(reap.remove, free, NOW + 1))
        left = await self.store.run(posts.facts, self.posts)  # of an answer that was lost nothing is known
        needed = {post for group in self.groups.values() for post in group.posts}
        for person in self.people.values():
            needed |= {*person.inbox, *person.archive, *(post for each in person.pending.values() for post in each)}
        assert needed <= left.keys()
        assert set(left) <= set(used)
        self.posts = [post for post in self.posts if post in left]

    # Readers

    async def look(self, who: str, how: str) -> None:
        """A box is opened; or many that are open, or an agent, are carried into."""
        if who not in self.people:
            return
        owner, box = self.world.key(who)
        if how == "open":
            await self.do(lambda: sync.bring_up(self.store, owner, box, now=NOW))
            self.people[who].carry()
        elif how == "idle":
            keys = [self.world.key(name) for name in self.people]
            await self.do(lambda: sync.carry_all(self.store, keys, now=NOW))
            for person in self.people.values():
                person.carry()
        else:
            await self.store.run(active.note, [owner], NOW)
            await self.do(lambda: Carrier(self.store, AgentSettings(), lambda: NOW).once())
            await sync.bring_up(self.store, owner, box, now=NOW)  # another share may have been done before
            self.people[who].carry()
            for name, person in self.people.items():
                if not await self.store.run(sync.behind, *self.world.key(name)):
                    person.carry()
        await self.compare(who)

    async def chosen(self, who: str, at: int) -> tuple[Uid, PostId] | None:
        if who not in self.people:
            return None
        rows = (await self.store.run(changes.listing, *self.world.key(who))).rows
        return (rows[at % len(rows)].uid, rows[at % len(rows)].post) if rows else None

    async def mark(self, who: str, at: int, bit: int) -> None:
        if (found := await self.chosen(who, at)) is not None:
            key, span = self.world.key(who), [(found[0], found[0])]
            await self.do(lambda: self.store.run(flags.store_flags, *key, span, FlagAction.ADD, Flags(bit), None))
            self.people[who].inbox[found[1]] |= bit

    async def delete(self, who: str, at: int) -> None:
        if (found := await self.chosen(who, at)) is not None:
            await self.do(lambda: self.store.run(moves.expunge, *self.world.key(who), [found[0]], False))
            del self.people[who].inbox[found[1]]

    async def move(self, who: str, at: int) -> None:
        if (found := await self.chosen(who, at)) is not None and found[1] not in self.people[who].archive:
            key, archive = self.world.key(who), await self.archive(who)
            await self.do(lambda: self.store.run(moves.move, *key, archive.box, [found[0]], NOW))
            self.people[who].archive[found[1]] = self.people[who].inbox.pop(found[1])

    async def archive(self, who: str) -> boxes.Box:
        return await self.store.run(boxes.box_named, self.world.owner(who), "Archive")

    async def compare(self, who: str) -> None:
        owner, person = self.world.owner(who), self.people[who]
        assert await self.store.run(quota.differences, owner) == []
        for box, wanted in (
            (self.world.inbox[who], person.inbox),
            ((await self.archive(who)).box, person.archive),
        ):
            found = await self.store.run(changes.listing, owner, box)
            assert {row.post: row.bits & ALL_FLAGS for row in found.rows} == wanted
            assert len({row.post for row in found.rows}) == len(found.rows), "a post stands there twice"
            assert all(row.uid < found.box.uidnext and row.modseq <= found.box.highestmodseq for row in found.rows)
            for row in found.rows:
                assert self.seen.setdefault((box, row.uid), row.post) == row.post, "a UID shows another post"
