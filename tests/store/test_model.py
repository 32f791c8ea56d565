"""People, groups, posts, in any order, with answers of COMMIT lost, against a model of a few dictionaries.

The model knows for each person what is in INBOX and Archive, and for each of their groups what is still to be carried.
After every step that looks, the store must have exactly that; UIDs ascend and none ever shows another post.
"""

import os
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from opostd.config import StoreSettings
from opostd.model.flags import ALL_FLAGS, FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import PostId, Uid
from opostd.model.records import Withdraw
from opostd.store import boxes, changes, delivery, flags, moves, newcomers, provision, quota, schema, sync, withdraw
from opostd.store.run import Store
from tests.store.test_run import Faults
from tests.store.world import DOMAIN, NOW, World, a_delivery, accept, new_post, run

PEOPLE = ("anna", "bob", "cara")
GROUPS = ("team", "crew")

who, group, number = st.sampled_from(PEOPLE), st.sampled_from(GROUPS), st.integers(0, 9)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.sets(group, min_size=1)),
        st.tuples(st.just("post"), st.just({"team", "crew"})),
        st.tuples(st.just("look"), who),
        st.tuples(st.just("direct"), who),
        st.tuples(st.just("join"), who, group),
        st.tuples(st.just("history"), who, group),
        st.tuples(st.just("leave"), who, group),
        st.tuples(st.just("mark"), who, number, st.sampled_from((SEEN, FLAGGED))),
        st.tuples(st.just("delete"), who, number),
        st.tuples(st.just("move"), who, number),
        st.tuples(st.just("recall"), number, st.sampled_from(list(Withdraw))),
        st.tuples(st.just("pin"), group, number),
    ),
    min_size=30,
    max_size=60,
)


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


class Model:
    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store
        self.people = {name: Person() for name in PEOPLE}
        self.sources: dict[str, list[PostId]] = {name: [] for name in GROUPS}  # what is there
        self.uids: dict[str, list[PostId]] = {name: [] for name in GROUPS}  # whatever was
        self.pinned: dict[str, set[PostId]] = {name: set() for name in GROUPS}
        self.posts: list[PostId] = []
        self.seen: dict[tuple[str, int], PostId] = {}
        self.boxes: dict[str, int] = {}

    async def post(self, names: set[str]) -> None:
        post = await accept(self.store, new_post())
        self.posts.append(post)
        for name in sorted(names):
            await self.world.send(await self.world.source(name), post)
            self.sources[name].append(post)
            self.uids[name].append(post)
            for person in self.people.values():
                if name in person.pending:
                    person.pending[name].append(post)

    async def direct(self, who: str) -> None:
        """A message to one person alone, who is charged for it."""
        post = await accept(self.store, new_post())
        self.posts.append(post)
        await self.store.run(delivery.deliver, *self.world.key(who), [a_delivery(post)], NOW)
        self.people[who].inbox[post] = 0

    async def join(self, who: str, name: str) -> None:
        await provision.join(self.store, f"{name}@{DOMAIN}", self.world.owner(who), now=NOW)
        person = self.people[who]
        if name not in person.pending:
            person.pending[name] = []
            person.before[name] = self.uids[name].copy()
            for post in self.sources[name]:
                if post in self.pinned[name]:
                    person.inbox.setdefault(post, 0)

    async def history(self, who: str, name: str) -> None:
        address, owner = f"{name}@{DOMAIN}", self.world.owner(who)
        await provision.subscribe(self.store, address, owner, since=newcomers.START, now=NOW)
        person = self.people[who]
        person.pending.setdefault(name, [])
        for post in person.before.pop(name, self.uids[name] if name not in person.before else []):
            if post in self.sources[name]:
                person.inbox.setdefault(post, 0)
        person.before[name] = []
        person.carry()

    async def leave(self, who: str, name: str) -> None:
        await provision.leave(self.store, f"{name}@{DOMAIN}", self.world.owner(who), NOW)
        person = self.people[who]
        if name in person.pending:
            person.carry(name)
            del person.pending[name], person.before[name]

    async def look(self, who: str) -> None:
        await sync.bring_up(self.store, *self.world.key(who), now=NOW)
        self.people[who].carry()
        await self.compare(who)

    async def chosen(self, who: str, at: int) -> tuple[Uid, PostId] | None:
        rows = (await self.store.run(changes.listing, *self.world.key(who))).rows
        return (rows[at % len(rows)].uid, rows[at % len(rows)].post) if rows else None

    async def mark(self, who: str, at: int, bit: int) -> None:
        if (found := await self.chosen(who, at)) is not None:
            span = [(found[0], found[0])]
            await self.store.run(
                flags.store_flags, *self.world.key(who), span, FlagAction.ADD, Flags(bit), None
            )  # fmt: skip
            self.people[who].inbox[found[1]] |= bit

    async def delete(self, who: str, at: int) -> None:
        if (found := await self.chosen(who, at)) is not None:
            await self.store.run(moves.expunge, *self.world.key(who), [found[0]], False)
            del self.people[who].inbox[found[1]]

    async def move(self, who: str, at: int) -> None:
        found, person = await self.chosen(who, at), self.people[who]
        if found is not None and found[1] not in person.archive:
            archive = await self.store.run(boxes.box_named, self.world.owner(who), "Archive")
            await self.store.run(moves.move, *self.world.key(who), archive.box, [found[0]], NOW)
            person.archive[found[1]] = person.inbox.pop(found[1])

    async def recall(self, at: int, policy: Withdraw) -> None:
        if not self.posts:
            return
        post = self.posts[at % len(self.posts)]
        policy = (await withdraw.recall(self.store, post, policy, NOW)).policy
        for name in GROUPS:
            if post in self.sources[name]:
                self.sources[name].remove(post)
        for person in self.people.values():
            for waiting in person.pending.values():
                if post in waiting:
                    waiting.remove(post)
            for box in (person.inbox, person.archive):
                bits = box.get(post, 0)
                stays = bits & SEEN if policy is Withdraw.UNREAD else bits & FLAGGED or box is person.archive
                if policy is Withdraw.ALL or not stays:
                    box.pop(post, None)

    async def pin(self, name: str, at: int) -> None:
        if self.sources[name]:
            post = self.sources[name][at % len(self.sources[name])]
            uid = Uid(self.uids[name].index(post) + 1)
            await self.store.run(newcomers.pin, await self.world.source(name), uid)
            self.pinned[name].add(post)

    async def compare(self, who: str) -> None:
        assert await self.store.run(quota.differences, self.world.owner(who)) == []
        archive = await self.store.run(boxes.box_named, self.world.owner(who), "Archive")
        for box, wanted in ((self.world.inbox[who], "inbox"), (archive.box, "archive")):
            rows = (await self.store.run(changes.listing, self.world.owner(who), box)).rows
            assert {row.post: row.bits & ALL_FLAGS for row in rows} == getattr(self.people[who], wanted)
            assert len({row.post for row in rows}) == len(rows), "a post stands there twice"
            for row in rows:
                assert self.seen.setdefault((who + wanted, row.uid), row.post) == row.post


EXAMPLES = int(os.environ.get("OPOSTD_TEST_EXAMPLES", "12"))  # each has 30 to 60 steps; more for a long look


@pytest.mark.timeout(120 + 4 * EXAMPLES)
def test_any_order(store_settings: StoreSettings) -> None:
    faults = Faults(7, 0.05, sa.make_url(store_settings.url).get_backend_name())

    # No shrinking: it takes minutes, and the steps that failed are printed as they are.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STEPS)
    def walk(steps: list[tuple[object, ...]]) -> None:
        async def main() -> None:
            store = Store(store_settings, faults)
            faults.on = False
            with_nobody()
            model = Model(await World(store).make(*PEOPLE))
            for name in GROUPS:
                await model.world.group(name)
            for who, name in (("anna", "team"), ("anna", "crew"), ("bob", "team")):
                await model.join(who, name)
            faults.on = True
            for verb, *arguments in steps:
                await getattr(model, str(verb))(*arguments)
            for name in PEOPLE:
                await model.look(name)
            await store.close()

        run(main())

    def with_nobody() -> None:
        """The tables are emptied: a store for each example would take longer than all its steps."""
        engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
        with engine.begin() as connection:
            for metadata in schema.metadata.values():
                for table in metadata.tables:
                    connection.execute(sa.text(f"DELETE FROM {table}"))
        engine.dispose()

    walk()
