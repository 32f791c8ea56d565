"""The index follows what was accepted; posts of an older version get their rows."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import Script

from opostd.config import StoreSettings
from opostd.intake.indexing import Indexing, index_some
from opostd.mime.facts import new_post
from opostd.model.ids import PostId
from opostd.model.new_ids import new_post_id
from opostd.store import migrate, posts, schema, search, search_index
from opostd.store.posts import _facts_row
from opostd.store.run import Group, Store, Tx, reads
from opostd.store.search import Needle, Where
from tests.store.world import NOW, PATIENCE_S
from tests.support import postgres
from tests.support.mail import mailing

RAW = b"Subject: =?utf-8?q?Stra=C3=9Fe?=\r\n\r\nZeppelin over K\xc3\xb6ln\r\n"


@reads(Group.POST)
def todo(tx: Tx) -> int:
    return sum(
        tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (schema.search_todo, schema.search_new)
    )


def test_it_follows(store: Store) -> None:
    async def main() -> None:
        indexing = Indexing(store)
        indexing.start()
        for _ in range(3):
            await store.run(posts.accept, [mailing(new_post(RAW, id=new_post_id(), now=NOW))], NOW)
            indexing.wake()
        async with asyncio.timeout(PATIENCE_S):
            await indexing.idle.wait()
        assert await store.run(todo) == 0
        await indexing.close()

    asyncio.run(main())


class Stumbling(Store):
    """Has a bug, once."""

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self.stumbled = asyncio.Event()

    async def run(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        if fn is search_index.index_some and not self.stumbled.is_set():
            self.stumbled.set()
            raise ZeroDivisionError
        return await super().run(fn, *args, **kwargs)


def test_a_bug_does_not_end_it(sqlite_settings: StoreSettings) -> None:
    async def main() -> None:
        store = Stumbling(sqlite_settings)
        indexing = Indexing(store)
        indexing.start()
        await store.stumbled.wait()
        await store.run(posts.accept, [mailing(new_post(RAW, id=new_post_id(), now=NOW))], NOW)
        indexing.wake()
        async with asyncio.timeout(PATIENCE_S):
            await indexing.idle.wait()
        assert await store.run(todo) == 0
        await indexing.close()
        await store.close()

    asyncio.run(main())


@pytest.fixture(params=["sqlite", "postgresql"])
def old(
    request: pytest.FixtureRequest, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> tuple[StoreSettings, PostId]:
    """A store as version 0004 left it, with a post."""
    if request.param == "sqlite":
        settings = StoreSettings(url=f"sqlite:///{tmp_path}/old.db")
    else:
        server: postgres.Server = request.getfixturevalue("postgres_server")
        template, server.template = server.template, "template0"
        try:
            settings = StoreSettings(url=server.create_database())
        finally:
            server.template = template
    with monkeypatch.context() as patch:
        steps = migrate._steps

        def first(found: str | None) -> list[Script]:
            return [step for step in steps(found) if step.revision < "0005"]

        patch.setattr(migrate, "_steps", first)
        migrate.up(settings)
    post = new_post(RAW, id=new_post_id(), now=NOW)
    engine = sa.create_engine(settings.url, execution_options={"outside": True})
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.post), _facts_row(post.facts))
        connection.execute(sa.insert(schema.post_body), {"id": post.facts.id, "raw": post.raw})
    engine.dispose()
    return settings, post.facts.id


def test_posts_of_an_older_version(old: tuple[StoreSettings, PostId]) -> None:
    settings, id_ = old
    migrate.up(settings)
    store = Store(settings)
    needles = [Needle("ZEPPELIN", Where.BODY), Needle("STRAßE", Where.HEADER, "SUBJECT")]

    async def main() -> None:
        for needle in needles:
            assert await store.run(search.may_hold, [id_], needle) in (None, [id_])  # not ruled out
        while await index_some(store):
            pass
        for needle in needles:
            assert await store.run(search.may_hold, [id_], needle) == [id_]
            assert await store.run(search.matching, [id_], needle) == ({id_}, [])

    try:
        asyncio.run(main())
    finally:
        store.close_sync()
