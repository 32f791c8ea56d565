"""Rows by their post: whoever asks finds them in the index for it, also where it has only a part of the post's id."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId, PostId
from opostd.model.new_ids import new_box_id, new_owner_id, new_post_id
from opostd.store import (
    bulk,
    by_post,
    delivery,
    finding,
    migrate,
    placing,
    reach,
    reap,
    schema,
    subscriptions,
    sync,
    withdraw,
)
from opostd.store.groups import Group
from opostd.store.run import Store, Tx, writes
from tests.store.world import NOW, World, a_delivery, arriving, run
from tests.support import postgres

READERS, POSTS = 50, 400
FEW = 3


Key = tuple[OwnerId, BoxId]
Filled = tuple[Store, list[Key], list[PostId]]


@writes(Group.OWNER)
def fill(tx: Tx, keys: list[Key], posts: list[PostId]) -> None:
    same = {"name": "INBOX", "uidvalidity": 1, "uidnext": len(posts) + 1}
    boxes = [{"owner_id": owner, "box_id": box, **same} for owner, box in keys]
    tx.execute(sa.insert(schema.box), boxes)
    tx.execute(sa.insert(schema.delivered_post), [
        {
            "owner_id": owner, "box_id": box, "uid": uid, "modseq": 1, "internaldate": NOW, "savedate": NOW,
            "size": 4321, "bits": 0, "post_id": post, "keywords": "",
        }
        for owner, box in keys for uid, post in enumerate(posts, 1)
    ])  # fmt: skip
    tx.execute(sa.text("ANALYZE delivered_post"))


@pytest.fixture(scope="module")
def filled(postgres_server: postgres.Server) -> Iterator[Filled]:
    """50 readers with 400 broadcasts each, on PostgreSQL."""
    url = postgres_server.create_database()
    store = Store(StoreSettings(url=url))
    keys = sorted((new_owner_id(), new_box_id()) for _ in range(READERS))
    source = (SYSTEM_OWNER, new_box_id())
    posts = arriving(POSTS)
    store.run_sync(fill, [source, *keys], posts)
    yield store, keys, posts
    store.close_sync()
    postgres_server.drop_database(url)


@writes(Group.OWNER)
def read_by(tx: Tx, question: Callable[..., object], *args: object) -> dict[str, tuple[int, int]]:
    """How often the question looks into each index, and the table, and how many entries it reads there."""
    names = (by_post.INDEX, "delivered_post_pkey", "delivered_post")

    def counted() -> list[tuple[int, int]]:
        return [
            tuple(tx.rows(sa.text(
                f"SELECT pg_stat_get_xact_numscans('{name}'::regclass),"
                f" pg_stat_get_xact_tuples_returned('{name}'::regclass)"
            ), {})[0])
            for name in names
        ]  # fmt: skip

    before = counted()
    question(tx, *args)
    after = counted()
    return {
        name: (b[0] - a[0], b[1] - a[1]) for name, a, b in zip(names, before, after, strict=True)
    }  # fmt: skip


Question = Callable[[Tx, list[Key], list[PostId]], object]
QUESTIONS: dict[str, tuple[Question, int]] = {
    "a delivery into a box": (lambda tx, keys, _: delivery.deliver(tx, *keys[0], [a_delivery()], NOW), 0),
    "one into many boxes": (
        lambda tx, keys, _: delivery.deliver_many(tx, [(*key, [a_delivery()]) for key in keys], NOW), 0,
    ),
    "what a box has": (lambda tx, keys, posts: placing.known_uids(tx, *keys[0], posts[:20]), 20),
    "what boxes have": (lambda tx, keys, posts: bulk.known_posts(tx, keys[:3], posts[:3]), 9),
    "an owner's rows": (lambda tx, keys, posts: finding.of_post(tx, keys[0][0], posts[7]), 1),
    "the sources of a post": (lambda tx, keys, posts: reach.places(tx, posts[7]), 1),
    "the counts of a post": (lambda tx, keys, posts: reach.reach(tx, posts[7]), READERS),
    "who has a post": (lambda tx, keys, posts: withdraw.holders(tx, posts[7]), READERS),
    "whether anybody has posts": (lambda tx, keys, posts: reap.referenced(tx, [*posts[:2], new_post_id()]), 2 * READERS),
    "the ways of a post": (lambda tx, keys, posts: subscriptions.ways(tx, keys[0][0], posts[7], []), 1),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_who_asks_by_post_reads_nothing_else(filled: Filled, question: str) -> None:
    """Of the rows of 50 readers those of the post are read, and of the readers that are asked for; no box is."""
    store, keys, posts = filled
    ask, entries = QUESTIONS[question]
    found = store.run_sync(read_by, ask, keys, posts)
    scans, read = found[by_post.INDEX]
    assert scans
    assert read <= entries + FEW
    assert found["delivered_post_pkey"][1] <= FEW
    assert found["delivered_post"][1] == 0


def test_posts_that_begin_alike(store: Store) -> None:
    """What the index has of them is the same: each is found, taken back and done without for itself."""
    one = new_post_id()
    other = PostId(one[:8] + bytes(8))
    third = PostId(b"\x7f" + one[1:])
    assert by_post.begins([one]) == by_post.begins([other]) == by_post.begins([third])

    async def main() -> None:
        world = await World(store).make("anna", "bob")
        owner, inbox = world.key("anna")
        source = await world.group("team", "anna", "bob")
        await world.send(source, one)
        assert await world.look("anna") == [one]
        for post in (other, third, one):
            await store.run(delivery.deliver, owner, inbox, [a_delivery(post)], NOW)
        assert await world.posts_in(owner, inbox) == [one, other, third]
        await world.send(source, other)
        keys = sorted([world.key("anna"), world.key("bob")])
        await store.run(sync.carry_many, keys, NOW)
        assert await world.posts_in(owner, inbox) == [one, other, third]
        assert await world.posts_in(*world.key("bob")) == [one, other]
        assert [row.post for _, row in await store.run(finding.of_post, owner, other)] == [other]
        assert len(await store.run(withdraw.holders, other)) == 3
        assert await store.run(reap.referenced, [third, PostId(one[:9] + bytes(7))]) == {third}

    run(main())


REVISION = "0025"


def test_what_was_there_before(empty: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step keeps every row and subscription, and a box finds its posts by the new index."""
    steps = migrate._steps
    monkeypatch.setattr(migrate, "_steps", lambda found: [each for each in steps(found) if each.revision < REVISION])
    migrate.up(empty)
    owner, box, post = new_owner_id(), new_box_id(), new_post_id()
    engine = sa.create_engine(empty.url, execution_options={"outside": True})
    id_ = f"'{post.hex()}'" if engine.dialect.name == "postgresql" else f"x'{post.hex()}'"
    with engine.begin() as connection:
        for statement in (
            f"INSERT INTO box (owner_id, box_id, name, uidvalidity, uidnext) VALUES ({owner}, {box}, 'INBOX', 1, 8)",
            "INSERT INTO delivered_post (owner_id, box_id, uid, modseq, internaldate, savedate, size, bits, post_id,"
            f" keywords) VALUES ({owner}, {box}, 7, 1, 2, 3, 4, 5, {id_}, 'six')",
            "INSERT INTO subscription (owner_id, target_box, source_owner, source_box, joined, watermark)"
            f" VALUES ({owner}, {box}, {SYSTEM_OWNER}, 11, 12, 13)",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    monkeypatch.undo()
    assert [step.split()[1] for step in migrate.up(empty)] == [REVISION] * len(Group)
    store = Store(empty)
    again = store.run_sync(delivery.deliver, owner, box, [a_delivery(post)], NOW)
    assert (again.uids, again.fresh) == ((7,), 0)
    ((found, row),) = store.run_sync(finding.of_post, owner, post)
    assert (found, row.uid, row.modseq, row.internaldate, row.savedate, row.size) == (box, 7, 1, 2, 3, 4)
    assert (row.bits, row.keywords) == (5, ("six",))
    (subscription,) = store.run_sync(subscriptions.of_owner, owner)
    assert (subscription.target, subscription.source, subscription.joined, subscription.watermark) == (box, 11, 12, 13)
    store.close_sync()
