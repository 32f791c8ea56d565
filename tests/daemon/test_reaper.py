"""Posts that nobody has go after two passes, archived first where that is wished; all others stay."""

import contextlib
import mailbox
from pathlib import Path

import pytest

from opostd.config import StoreSettings
from opostd.daemon import mbox
from opostd.daemon.reaper import DAY_S, LEASE_S, Reaper
from opostd.model.ids import SYSTEM_OWNER, PostId, Uid
from opostd.model.mailing import Target
from opostd.store import moves, posts, provision, queue, schema, shares
from opostd.store.groups import Group
from opostd.store.run import Store
from tests.store.refusing import refused
from tests.store.world import DOMAIN, NOW, World, accept, new_post, run

# The ids are made with the real clock: the reaper's runs after it.
LATER = 2**33


def archived(path: Path) -> list[mailbox.mboxMessage]:
    with contextlib.closing(mailbox.mbox(path)) as box:
        return list(box)


async def there(store: Store, *ids: PostId) -> list[bool]:
    known = await store.run(posts.facts, list(ids))
    return [id_ in known for id_ in ids]


def test_what_nobody_has_goes_and_all_else_stays(store: Store, store_settings: StoreSettings, tmp_path: Path) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "bob")
        team = await world.group("team", "anna")
        gone = await accept(store, new_post("gone\r\nFrom here\r\n>From there"))
        expunged = await accept(store, new_post())
        pending, aside, spooled = [await accept(store, new_post()) for _ in range(3)]
        waiting = await accept(store, new_post(), Target(*world.key("bob")))
        await world.send(team, expunged, aside)
        with refused(store_settings, world.owner("anna"), aside):
            assert await world.look("anna") == [expunged]
        await store.run(moves.expunge, *world.key("anna"), None, False)
        await store.run(
            moves.expunge, SYSTEM_OWNER, team, [Uid(1), Uid(2)], False
        )  # what is set aside has no other row
        await world.send(team, pending, spooled)
        assert await world.look("anna") == [pending, spooled]
        await store.run(moves.expunge, SYSTEM_OWNER, team, [Uid(4)], False)
        clock = [LATER]
        reaper = Reaper(store, tmp_path / "archive", lambda: clock[0])
        everything = (gone, expunged, pending, aside, spooled, waiting)
        assert await reaper.once() == 0
        clock[0] += DAY_S - 1
        assert await reaper.once() == 0
        assert await there(store, *everything) == [True] * 6
        clock[0] += 1
        assert await reaper.once() == 2
        assert await there(store, *everything) == [False, False, True, True, True, True]
        (box,) = (tmp_path / "archive").iterdir()
        assert box.stat().st_mode & 0o777 == 0o600
        texts = [message.get_payload() for message in archived(box)]
        assert ">From here\n>>From there" in texts[0]
        assert len(texts) == 2
        await store.run(queue.done, [(waiting, *world.key("bob"))])
        await provision.delete_user(store, f"anna@{DOMAIN}")
        for _ in range(2):
            clock[0] += DAY_S
            await reaper.once()
        assert await there(store, *everything) == [False, False, True, False, False, False]

    run(main())


def test_what_comes_back_is_forgotten(store: Store) -> None:
    """Noted by a pass, in a box again before the next: its day begins anew."""

    async def main() -> None:
        world = await World(store).make("anna")
        post = await accept(store, new_post())
        clock = [LATER]
        reaper = Reaper(store, None, lambda: clock[0])
        await reaper.once()
        await world.send(await world.source("everyone"), post)
        clock[0] += DAY_S
        assert await reaper.once() == 0
        await store.run(moves.expunge, SYSTEM_OWNER, await world.source("everyone"), None, False)
        clock[0] += DAY_S
        assert await reaper.once() == 0
        assert await there(store, post) == [True]
        clock[0] += DAY_S
        assert await reaper.once() == 1

    run(main())


def test_nothing_goes_that_the_archive_does_not_take(store: Store, tmp_path: Path) -> None:
    async def main() -> None:
        await World(store).make("anna")
        post = await accept(store, new_post())
        clock = [LATER]
        (tmp_path / "file").touch()
        reaper = Reaper(store, tmp_path / "file", lambda: clock[0])
        await reaper.once()
        clock[0] += DAY_S
        with pytest.raises(OSError, match="exists"):
            await reaper.once()
        assert await there(store, post) == [True]
        clock[0] += LEASE_S
        assert await Reaper(store, None, lambda: clock[0]).once() == 1

    run(main())


def test_one_process_at_a_time(store: Store) -> None:
    async def main() -> None:
        await World(store).make("anna")
        assert await store.run(shares.lease_alone, shares.REAPER, 7, NOW, LEASE_S, NOW - DAY_S)
        assert not await store.run(shares.lease_alone, shares.REAPER, 8, NOW, LEASE_S, NOW - DAY_S)
        assert await store.run(shares.done, shares.REAPER, 7, 0, NOW)
        assert not await store.run(shares.lease_alone, shares.REAPER, 8, NOW + DAY_S - 1, LEASE_S, NOW - 1)
        assert await store.run(shares.lease_alone, shares.REAPER, 8, NOW + DAY_S, LEASE_S, NOW)
        assert await store.run(shares.lease, 7, NOW, LEASE_S, 1, 0) is not None  # the agents' shares are others

    run(main())


def test_every_place_that_names_a_post_is_known() -> None:
    """A new table with a post in it has to be thought of by the reaper, or stand here."""
    names = {table.name for group in Group for table in schema.metadata[group].tables.values() if "post_id" in table.c}
    keeps = {"delivered_post", "set_aside", "spool", "outgoing", "held"}
    tells_only = {"expunged", "withdrawal", "reap", "held_token", "dismissed", "reached"}
    assert names == keeps | tells_only


def test_mbox_quotes_what_looks_like_a_beginning(tmp_path: Path) -> None:
    post = PostId((1_700_000_000_000).to_bytes(6, "big") + bytes(10))
    mbox.append(tmp_path, post, b"Subject: a\r\n\r\nFrom me\r\nx From\r\nend")
    mbox.append(tmp_path, post, b"Subject: b\r\n\r\n\r\n")
    text = (tmp_path / "2023-11.mbox").read_bytes()
    assert text.count(b"\n\nFrom opostd@") == 1
    assert b"\n>From me\nx From\nend\n\n" in text
    assert [message["subject"] for message in archived(tmp_path / "2023-11.mbox")] == ["a", "b"]
