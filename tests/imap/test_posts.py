"""The cache of posts: bounded, and read ahead in one look."""

import asyncio
from collections.abc import Sequence

import pytest

from opostd.imap import posts as module
from opostd.imap.posts import Posts
from opostd.model.ids import PostId
from opostd.store import posts
from opostd.store.run import Store, Tx
from tests.store.world import NOW, new_post
from tests.support.mail import mailing


def test_octets_are_read_ahead(store: Store) -> None:
    async def main() -> None:
        new = [new_post(f"text {number}") for number in range(3)]
        await store.run(posts.accept, [mailing(each) for each in new], NOW)
        cache = Posts(store)
        await cache.read_ahead([each.facts for each in new])
        await store.close()  # whatever is asked for now was read before
        for each in new:
            assert await cache.raw(each.facts.id, 0, each.facts.size, each.facts.size) == each.raw

    asyncio.run(main())


def test_many_who_ask_at_once_ask_the_store_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, and those that are too large to be read by the loop itself."""
    looks = []

    def counted(tx: Tx, ids: Sequence[PostId]) -> list[tuple[object, ...]]:
        looks.append(ids)
        return rows(tx, *ids)

    rows = Tx.rows
    monkeypatch.setattr(Tx, "rows", lambda tx, *arguments: counted(tx, arguments))

    async def main() -> None:
        new = [new_post("short"), new_post("long " * module.AT_ONCE_OCTETS)]
        await store.run(posts.accept, [mailing(each) for each in new], NOW)
        looks.clear()
        cache = Posts(store)
        for each in new:
            facts = each.facts
            found = await asyncio.gather(*(cache.raw(facts.id, 0, facts.size, facts.size) for _ in range(20)))
            assert found == [each.raw] * 20
        assert len(looks) == len(new)

    asyncio.run(main())


def test_header_answers_are_bounded(store: Store) -> None:
    cache = Posts(store)
    ids = [PostId(number.to_bytes(16, "big")) for number in range(40)]
    answer = b"x" * (module.HEADERS_OCTETS // 50)
    for id_ in ids:
        cache.keep_header("subject", id_, answer)
    assert cache.headers("subject") == dict.fromkeys(ids, answer)
    for id_ in ids:
        cache.keep_header("from", id_, answer)
    assert cache.headers("subject") == {}  # the fields that nobody has asked for since went first
    assert cache.headers("from") == dict.fromkeys(ids, answer)
    assert cache._headers_octets == len(ids) * (len(answer) + module.HEADER_OVERHEAD)
