"""A transaction whose caller was told that it failed is taken back, as long as it can be."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from opostd.config import StoreSettings
from opostd.model.errors import Unavailable
from opostd.model.ids import BoxId, OwnerId
from opostd.store import boxes
from opostd.store.run import Group, Store, Tx, writes
from tests.store.world import World


def test_what_nobody_waits_for_any_more_is_not_kept(store_settings: StoreSettings) -> None:
    async def main() -> None:
        store = Store(store_settings)
        world = await World(store).make("anna")
        owner, _ = world.key("anna")
        begun, gate = threading.Event(), threading.Event()

        @writes(Group.OWNER)
        def slowly(tx: Tx, owner: OwnerId) -> BoxId:
            made = boxes.create(tx, owner, "Slow").box
            begun.set()
            gate.wait(60)
            return made

        waiting = asyncio.ensure_future(store.run(slowly, owner))
        assert await asyncio.to_thread(begun.wait, 10)
        for database in set(store._databases.values()):
            database._writers.abandon(0.0, "silence")
        with pytest.raises(Unavailable):
            await waiting
        gate.set()
        await store.close()  # it has come to its end
        fresh = Store(store_settings)
        assert "Slow" not in [box.name for box in await fresh.run(boxes.boxes, owner)]
        await fresh.close()

    asyncio.run(main())


def test_long_work_is_waited_for_and_silence_is_not(sqlite_settings: StoreSettings) -> None:
    """A COPY of a hundred thousand messages takes longer than any deadline on some machine; a stuck disk for ever."""

    async def main() -> None:
        store = Store(replace(sqlite_settings, retry_deadline_s=0.2))
        world = await World(store).make("anna")
        owner, _ = world.key("anna")
        await store.start()
        gate = threading.Event()

        @writes(Group.OWNER)
        def work(tx: Tx, owner: OwnerId) -> str:
            end = time.thread_time() + 0.8
            while time.thread_time() < end:
                boxes.boxes(tx, owner)
            return "done"

        @writes(Group.OWNER)
        def stuck(tx: Tx, owner: OwnerId) -> str:
            gate.wait(60)
            return "too late"

        assert await store.run(work, owner) == "done"
        with pytest.raises(Unavailable, match="does not answer"):
            await store.run(stuck, owner)
        gate.set()
        assert await store.run(work, owner) == "done"
        await store.close()

    asyncio.run(main())
