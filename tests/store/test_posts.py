"""The post group: posts that never change, the spool, and the reaper."""

import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opostd.model.errors import BadAddress, LostPost
from opostd.model.ids import BoxId, OwnerId, PostId, post_id_text
from opostd.model.mailing import Target
from opostd.model.new_ids import new_post_id
from opostd.model.records import NewPost
from opostd.store import accounts, delivery, posts, queue, reap, search
from opostd.store.run import Store
from opostd.store.search import Needle, Where
from tests.store.world import NOW, World, a_delivery, accept, new_post, run
from tests.support.mail import mailing

HERE = Target(OwnerId(7), BoxId(8))
THERE = Target(OwnerId(7), BoxId(9), source=True)


def test_a_post_comes_back_as_it_was(store: Store) -> None:
    async def main() -> None:
        one, two = new_post("one"), new_post("two", thread=new_post_id())
        await store.run(posts.accept, [mailing(one, HERE, THERE), mailing(two)], NOW)
        ids = [two.facts.id, new_post_id(), one.facts.id]
        assert await store.run(posts.facts, ids) == {one.facts.id: one.facts, two.facts.id: two.facts}
        assert await store.run(posts.raw, one.facts.id) == one.raw
        assert await store.run(queue.depth) == 2
        with pytest.raises(LostPost, match=post_id_text(ids[1])):
            await store.run(posts.raw, ids[1])
        with pytest.raises(LostPost):
            await store.run(posts.raw_slice, ids[1], 0, 1)

    run(main())


def test_headers_alone(store: Store) -> None:
    """Empty ones and any octets, NUL among them; what the store does not have is left out."""

    async def main() -> None:
        new = [new_post(str(number)) for number in range(7)]
        blocks = (b"", b"\0", b"A: b\r\n\r\n", bytes(range(256)), b"\xff\xfe", b"x" * 100_000, b"")
        new = [replace(each, facts=replace(each.facts, header=block)) for each, block in zip(new, blocks, strict=True)]
        await store.run(posts.accept, [mailing(each) for each in new], NOW)
        ids = [new_post_id(), *(each.facts.id for each in reversed(new)), new_post_id()]
        for _ in range(3):  # the first by another way than the others, for each of the connections
            assert await store.run(posts.headers, ids) == {each.facts.id: each.facts.header for each in new}
            assert await store.run(posts.headers, ids[:1]) == {}
            assert await store.run(posts.headers, []) == {}

    run(main())


def test_accept_again_changes_nothing(store: Store) -> None:
    async def main() -> None:
        one = new_post("one")
        other = NewPost(new_post("other", one.facts.id).facts, b"other octets", "other")
        await accept(store, one, HERE)
        await accept(store, other, HERE, THERE)
        assert await store.run(posts.raw, one.facts.id) == one.raw
        assert (await store.run(posts.facts, [one.facts.id]))[one.facts.id] == one.facts
        assert await store.run(queue.depth) == 2

    run(main())


def test_many_at_once(store: Store) -> None:
    async def main() -> None:
        many = [new_post(str(number)) for number in range(1100)]
        await store.run(posts.accept, [mailing(each, HERE) for each in many], NOW)
        assert len(await store.run(posts.facts, [each.facts.id for each in many])) == 1100
        everywhere = new_post("to all")
        await accept(store, everywhere, *(Target(OwnerId(1), BoxId(number)) for number in range(1, 1300)))
        assert await store.run(queue.depth) == 1100 + 1299

    run(main())


@pytest.mark.parametrize(("start", "length"), [(0, 10), (5, 1), (0, 10**6), (99_990, 100), (10**6, 5), (7, 0)])
def test_slices(store: Store, start: int, length: int) -> None:
    async def main() -> None:
        raw = bytes(range(256)) * 400
        post = new_post("big")
        await accept(store, NewPost(post.facts, raw, ""), HERE)
        assert await store.run(posts.raw_slice, post.facts.id, start, length) == raw[start : start + length]

    run(main())


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(codec=None), max_size=50), raw=st.binary(max_size=200))
def test_any_text_and_octets_can_be_kept(store: Store, text: str, raw: bytes) -> None:
    """NUL and lone surrogates, which databases refuse in text, become U+FFFD; octets stay as they are."""
    post = new_post(text.encode("utf-8", "replace").decode())
    store.run_sync(posts.accept, [mailing(NewPost(post.facts, raw, text), HERE)], NOW)
    assert store.run_sync(posts.raw, post.facts.id) == raw
    facts = store.run_sync(posts.facts, [post.facts.id])[post.facts.id]
    assert facts.subject == post.facts.subject.replace("\0", "\ufffd")
    held, _ = store.run_sync(search.matching, [post.facts.id], Needle(text, Where.BODY))
    assert held == {post.facts.id}


# The spool


def test_the_way_through_the_spool(store: Store) -> None:
    async def main() -> None:
        id_ = await accept(store, new_post(), HERE, THERE)
        assert [(each.box, each.source) for each in await store.run(queue.waiting, 10)] == [(8, False), (9, True)]
        assert await store.run(queue.lease, NOW - 1, 60, 10) == []
        leased = await store.run(queue.lease, NOW, 60, 10)
        assert [(each.key, each.attempts, each.created) for each in leased] == [
            ((id_, 7, 8), 1, NOW), ((id_, 7, 9), 1, NOW)
        ]  # fmt: skip
        assert await store.run(queue.lease, NOW + 59, 60, 10) == []
        await store.run(queue.done, [leased[0].key])
        await store.run(queue.done, [leased[0].key])
        await store.run(queue.retry_later, leased[1].key, "box\0full" + "x" * 1000, NOW + 300)
        assert await store.run(queue.lease, NOW + 299, 60, 10) == []
        (again,) = await store.run(queue.lease, NOW + 300, 60, 10)
        assert (again.attempts, again.last_error[:8], len(again.last_error)) == (2, "box\ufffdfull", 500)
        assert len(await store.run(queue.lease, NOW + 360, 60, 10)) == 1  # the lease has ended by itself
        await store.run(queue.done, [])
        assert await store.run(queue.depth) == 1
        assert await store.run(queue.waiting, 0) == []

    run(main())


def test_leases_are_a_fixed_size_and_oldest_first(store: Store) -> None:
    async def main() -> None:
        ids = [await accept(store, new_post(), HERE, now=NOW - number) for number in range(6)]
        first = await store.run(queue.lease, NOW, 60, 4)
        rest = await store.run(queue.lease, NOW, 60, 4)
        assert [each.post for each in (*first, *rest)] == ids[::-1]

    run(main())


def test_agents_never_get_the_same_row(store: Store) -> None:
    store.run_sync(posts.accept, [mailing(new_post(), HERE) for _ in range(200)], NOW)
    got: list[list[PostId]] = [[] for _ in range(6)]

    def agent(mine: list[PostId]) -> None:
        empty = 0
        while empty < 3:  # a batch may be empty because others have just taken it
            batch = store.run_sync(queue.lease, NOW, 60, 7)
            assert len(batch) <= 7
            mine += [each.post for each in batch]
            empty = 0 if batch else empty + 1

    threads = [threading.Thread(target=agent, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [post for mine in got for post in mine]
    everything += [each.post for each in store.run_sync(queue.lease, NOW, 60, 500)]
    assert len(everything) == len(set(everything)) == 200


# The reaper


def test_the_reaper_takes_two_passes(store: Store) -> None:
    """Only what nobody has, in two looks a day apart, and what the spool does not need, goes."""

    async def one_pass(now: int) -> set[PostId]:
        ids = await store.run(reap.candidates, 2**32)
        used = await store.run(reap.referenced, ids)
        free = [id_ for id_ in ids if id_ not in used]
        await store.run(reap.note, free, list(used), now)
        return set(await store.run(reap.remove, free, now - reap.GAP_S))

    async def main() -> None:
        world = await World(store).make("anna")
        kept, lost, waits, late = (new_post(name) for name in ("kept", "lost", "waits", "late"))
        await store.run(posts.accept, [mailing(each) for each in (kept, lost, late)], NOW)
        await accept(store, waits, HERE)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery(kept.facts.id)], NOW)
        assert await one_pass(NOW) == set()
        assert await one_pass(NOW + reap.GAP_S - 1) == set()
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery(late.facts.id)], NOW)
        assert await one_pass(NOW + reap.GAP_S + 1) == {lost.facts.id}
        with pytest.raises(LostPost):
            await store.run(posts.raw, lost.facts.id)
        for each in (kept, waits, late):
            assert await store.run(posts.raw, each.facts.id) == each.raw
        assert await one_pass(NOW + 9 * reap.GAP_S) == set()

    run(main())


def test_candidates_are_pages_by_age(store: Store) -> None:
    ids = [PostId(reap.oldest_id_after(NOW + number)[:15] + b"\1") for number in range(5)]
    store.run_sync(posts.accept, [mailing(new_post(id_=id_)) for id_ in ids], NOW)
    assert store.run_sync(reap.candidates, NOW) == []
    assert store.run_sync(reap.candidates, NOW + 3) == ids[:3]
    assert store.run_sync(reap.candidates, NOW + 99, None, 2) == ids[:2]
    assert store.run_sync(reap.candidates, NOW + 99, ids[1], 2) == ids[2:4]


# Addresses


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("anna", "anna@opost.example"),
        ("Anna@Opost.Example", "anna@opost.example"),
        ("ANNA@second.example.", "anna@second.example"),
        ("a.b+tag@opost.example", "a.b+tag@opost.example"),
        ("u\u0308ber", "\u00fcber@opost.example"),
        ("\u00dcBER@opost.example", "\u00fcber@opost.example"),
        ("x" * 64, "x" * 64 + "@opost.example"),
        ("", None),
        ("@opost.example", None),
        ("anna@", None),
        ("anna@elsewhere.example", None),
        ("anna@opost.example..", None),
        ("a b", None),
        ("a\nb", None),
        ("a\0b", None),
        ("a@b@opost.example", None),
        (".anna", None),
        ("an..na", None),
        ("anna.", None),
        ("<anna>", None),
        ('"anna"', None),
        ("a,b", None),
        ("x" * 65, None),
        ("\ud800", None),
        ("an\u202ena", None),
        ("an\u200bna", None),
    ],
)
def test_fold_address(text: str, folded: str | None) -> None:
    domains = ("opost.example", "Second.Example")
    if folded is None:
        with pytest.raises(BadAddress):
            accounts.fold_address(text, domains)
    else:
        assert accounts.fold_address(text, domains) == folded
        assert accounts.fold_address(folded, domains) == folded


@given(st.text())
def test_folding_is_a_fixed_point(text: str) -> None:
    try:
        folded = accounts.fold_address(text, ("opost.example",))
    except BadAddress:
        return
    assert accounts.fold_address(folded, ("opost.example",)) == folded
    assert folded.isprintable()
