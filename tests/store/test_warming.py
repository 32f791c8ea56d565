"""What is done once is done before the first client comes: its statements go to the driver as they are."""

import asyncio

import pytest

from opostd.model.ids import BoxId, OwnerId, PostId
from opostd.store import boxes, listing, posts, sync, warming
from opostd.store.run import Group, Store, Tx, reads
from tests.store.test_messages import anna

PAGE = [PostId(bytes(16))]


def test_the_first_client_finds_its_statements_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    through_sqlalchemy: list[object] = []
    execute = Tx.execute

    def noted(tx: Tx, statement: object, *arguments: object) -> object:
        through_sqlalchemy.append(statement)
        return execute(tx, statement, *arguments)  # type: ignore[arg-type]

    @reads(Group.OWNER)
    def of_owner(tx: Tx, owner: OwnerId, box: BoxId) -> None:
        boxes.box_named(tx, owner, "INBOX")
        sync.peek(tx, owner, box)
        listing.columns(tx, owner, box)

    @reads(Group.POST)
    def of_posts(tx: Tx) -> None:
        posts.headers(tx, PAGE)

    async def main() -> None:
        world = await anna(store, 3)
        owner, box = world.key("anna")
        await warming.warm(store)
        with monkeypatch.context() as patched:
            patched.setattr(Tx, "execute", noted)
            await store.glance(boxes.box_named, owner, "INBOX")
            await store.glance(sync.peek, owner, box)
            await store.run(of_owner, owner, box)
            await store.run(of_posts)
        assert through_sqlalchemy == []

    asyncio.run(main())


def test_a_store_that_cannot_be_asked_stops_nobody(store: Store) -> None:
    store.close_sync()
    asyncio.run(warming.warm(store))
