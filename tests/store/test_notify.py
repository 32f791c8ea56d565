"""Hints between processes: heard by others and not by oneself, after a crash, over a broken connection."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import StoreSettings
from opostd.model.ids import SYSTEM_OWNER, BoxId, ModSeq, OwnerId
from opostd.model.records import AccountState, BoxHint
from opostd.store import accounts, boxes, delivery
from opostd.store.notify import EVERYTHING, coalesced, packed, unpacked
from opostd.store.run import Store
from tests.store.world import NOW, World, a_delivery, run, until
from tests.support import postgres

hints = st.lists(
    st.builds(
        BoxHint,
        st.integers(0, 2**63 - 1).map(OwnerId),
        st.integers(0, 2**63 - 1).map(BoxId),
        st.integers(0, 2**63 - 1).map(ModSeq),
    ),
    max_size=20,
)


@given(hints)
def test_packed_and_unpacked(given_hints: list[BoxHint]) -> None:
    assert unpacked(packed(b"somebody", given_hints), b"myself..") == given_hints
    assert unpacked(packed(b"somebody", given_hints), b"somebody") == []


@pytest.mark.parametrize("message", [b"", b"short", b"somebody" + b"x" * 23, b"somebody" + b"x" * 25])
def test_nonsense_means_anything(message: bytes) -> None:
    assert unpacked(message, b"myself..") == [EVERYTHING]


def test_coalesced() -> None:
    many = [BoxHint(OwnerId(1), BoxId(box), ModSeq(modseq)) for box, modseq in ((1, 5), (2, 1), (1, 7), (1, 6))]
    assert coalesced(many, 2) == [many[2], many[1]]
    assert coalesced(many, 1) == [EVERYTHING]


class Ears:
    """What a listener has heard."""

    def __init__(self) -> None:
        self.heard: list[BoxHint] = []
        self.woken = asyncio.Event()

    def __call__(self, hint: BoxHint) -> None:
        self.heard.append(hint)
        self.woken.set()

    async def hears(self, condition: Callable[[BoxHint], bool]) -> None:
        await until(lambda: any(condition(hint) for hint in self.heard), self.woken)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_another_store_hears(store_settings: StoreSettings, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Two stores are two processes to each other: each hears of the other's change, and of its own once."""
    settings = replace(store_settings, hint_poll_s=60)

    async def main() -> None:
        one, two = Store(settings), Store(settings)
        world = await World(one).make("anna")
        ears, own = Ears(), Ears()
        await one.start()
        await two.start()
        one.listen(own)
        two.listen(ears)
        key = world.key("anna")
        done = await one.run(delivery.deliver, *key, [a_delivery()], NOW)
        await ears.hears(lambda hint: hint == BoxHint(*key, done.modseq))
        await one.run(accounts.set_state, key[0], AccountState.DISABLED)
        await ears.hears(lambda hint: hint == BoxHint(key[0], BoxId(0), ModSeq(0)))
        back = await two.run(delivery.deliver, *key, [a_delivery()], NOW)
        await own.hears(lambda hint: hint == BoxHint(*key, back.modseq))
        assert own.heard.count(BoxHint(*key, done.modseq)) == 1
        everyone = await world.source("everyone")
        await one.run(delivery.deliver, SYSTEM_OWNER, everyone, [a_delivery()], NOW)
        await ears.hears(lambda hint: hint.owner == SYSTEM_OWNER)
        await two.close()
        await one.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


COMMAND = """
import asyncio, sys
from opostd.config import StoreSettings
from opostd.store import delivery
from opostd.store.run import Store
from tests.store.world import NOW, a_delivery
async def main():
    store = Store(StoreSettings(url=sys.argv[1]))
    for _ in range(int(sys.argv[4])):
        await store.run(delivery.deliver, int(sys.argv[2]), int(sys.argv[3]), [a_delivery()], NOW)
    await store.close()
asyncio.run(main())
"""


def command(settings: StoreSettings, key: tuple[int, int], count: int) -> "subprocess.Popen[bytes]":
    arguments = [settings.url, *map(str, key), str(count)]
    return subprocess.Popen([sys.executable, "-W", "error", "-c", COMMAND, *arguments], stderr=subprocess.PIPE)


def test_a_command_that_ends_at_once_is_heard(store_settings: StoreSettings) -> None:
    async def main() -> None:
        store = Store(replace(store_settings, hint_poll_s=60))
        world = await World(store).make("anna")
        ears = Ears()
        await store.start()
        store.listen(ears)
        process = command(store_settings, world.key("anna"), 1)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert (process.returncode, errors) == (0, b"")
        await ears.hears(lambda hint: hint == BoxHint(*world.key("anna"), ModSeq(2)))
        await store.close()

    run(main())


def test_two_processes_on_one_file(store_settings: StoreSettings) -> None:
    """Both write into one box: every UID once, in order, none lost."""

    async def main() -> None:
        store = Store(store_settings)
        world = await World(store).make("anna")
        process = command(store_settings, world.key("anna"), 60)
        uids: list[int] = []
        for _ in range(60):
            done = await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
            uids += done.uids
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert (process.returncode, errors) == (0, b"")
        assert uids == sorted(uids)
        assert len(await world.posts_in(*world.key("anna"))) == 120
        assert (await store.run(boxes.box_by_id, *world.key("anna"))).uidnext == 121
        await store.close()

    run(main())


# SQLite


def test_the_poll_finds_what_no_datagram_said(sqlite_settings: StoreSettings) -> None:
    """The truth behind the datagrams: a change by a program that says nothing."""

    async def main() -> None:
        store = Store(replace(sqlite_settings, hint_poll_s=0.02))
        world = await World(store).make("anna")
        ears = Ears()
        await store.start()
        store.listen(ears)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)  # one's own change is no surprise
        await ears.hears(lambda hint: hint.owner == world.owner("anna"))
        engine = sa.create_engine(sqlite_settings.url, execution_options={"outside": True})
        while EVERYTHING not in ears.heard:  # the first look of the poller is what the next is compared with
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE account SET name = name || 'x'"))
            await asyncio.sleep(0.02)
        engine.dispose()
        await store.close()

    run(main())


def test_sockets_of_the_dead_are_removed(sqlite_settings: StoreSettings) -> None:
    folder = Path(sqlite_settings.url.removeprefix("sqlite:///") + "-hints")

    async def main() -> None:
        import socket

        store, other = Store(sqlite_settings), Store(sqlite_settings)
        world = await World(store).make("anna")
        await other.start()
        (live,) = folder.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        here = os.open(folder, os.O_RDONLY)
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        dead.bind(f"/proc/self/fd/{here}/1-dead")
        dead.close()
        os.close(here)
        await store.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
        assert list(folder.iterdir()) == [live]
        await other.close()
        assert list(folder.iterdir()) == []
        await store.close()

    run(main())


def test_long_paths(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    """A socket's address has 108 octets; a path may have more."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    (deep / "opostd.db").write_bytes(Path(sqlite_settings.url.removeprefix("sqlite:///")).read_bytes())
    test_another_store_hears(StoreSettings(url=f"sqlite:///{deep}/opostd.db"), asyncio.new_event_loop)


# PostgreSQL


def test_a_broken_listener_comes_back(postgres_settings: StoreSettings, postgres_server: postgres.Server) -> None:
    """After a gap: anything may have changed; then hints come as before."""
    name = sa.make_url(postgres_settings.url).database

    async def main() -> None:
        store, other = Store(postgres_settings), Store(postgres_settings)
        world = await World(other).make("anna")
        ears = Ears()
        await store.start()
        store.listen(ears)
        with postgres_server.connect() as connection:
            broken = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'",
                (name,),
            ).fetchall()
        assert len(broken) == 1
        await ears.hears(lambda hint: hint == EVERYTHING)
        done = await other.run(delivery.deliver, *world.key("anna"), [a_delivery()], NOW)
        await ears.hears(lambda hint: hint == BoxHint(*world.key("anna"), done.modseq))
        await store.close()
        await other.close()

    run(main())


def test_a_flood_is_anything(postgres_settings: StoreSettings) -> None:
    async def main() -> None:
        store, other = Store(postgres_settings), Store(postgres_settings)
        ears = Ears()
        await store.start()
        store.listen(ears)
        other._bus.publish([BoxHint(OwnerId(5), BoxId(box), ModSeq(1)) for box in range(1, 2501)])
        await ears.hears(lambda hint: hint == EVERYTHING)
        other._bus.publish([BoxHint(OwnerId(5), BoxId(box), ModSeq(1)) for box in range(1, 501)])
        await ears.hears(lambda hint: hint.box == 500)
        assert {hint.box for hint in ears.heard} >= set(range(1, 501))
        other.close_sync()
        await store.close()

    run(main())
