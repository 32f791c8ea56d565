"""A command that takes long says so, with numbers that are so, before its answer and never within (RFC 9585)."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.imap import progress
from opostd.imap.progress import Waiting, code
from opostd.store.run import Store
from tests.imap.transcript import World

LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE box IN EXCLUSIVE MODE"}


@contextmanager
def held(settings: StoreSettings) -> Iterator[None]:
    """Nobody else writes to a box."""
    engine = sa.create_engine(settings.url, execution_options={"outside": True}, isolation_level=None)
    with engine.connect() as connection:
        connection.exec_driver_sql(LOCK[engine.dialect.name])
        yield
        connection.rollback()
    engine.dispose()


# RFC 9585 4 (2): a tag alone
# RFC 9585 4 (3): and how many
def test_code() -> None:
    assert code(b"a1", 0) == b'INPROGRESS ("a1" NIL NIL)'
    assert code(b"a1", 175) == b'INPROGRESS ("a1" 175 NIL)'
    assert code(b"a]1", 1) == b"INPROGRESS (NIL 1 NIL)"


@pytest.mark.parametrize("deflated", [False, True])
def test_a_copy_that_waits(
    store: Store, store_settings: StoreSettings, deflated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "AFTER_S", 0.01)

    async def main() -> None:
        world = World(store)
        await world.start()
        client = await world.client("1")
        await world.post("INBOX", "one.eml")
        if deflated:
            await client.ok("COMPRESS DEFLATE")
            client.start_deflate()
        await client.ok("SELECT INBOX")
        with held(store_settings):
            client.send("a1 UID COPY 1 Archive")
            for _ in range(3):
                assert re.fullmatch(r'\* OK \[INPROGRESS \("a1" NIL NIL\)\] .+', await client.transport.line())
        lines = [await client.transport.line()]
        while not lines[-1].startswith("a1 "):
            lines.append(await client.transport.line())
        assert re.fullmatch(r"a1 OK \[COPYUID \d+ 1 1\] copied", lines[-1])
        assert all("INPROGRESS" in line for line in lines[:-1])
        lines = await client.ok("NOOP")
        assert len(lines) == 1  # it has ended
        await world.close()

    asyncio.run(main())


def test_a_search_counts_what_it_has_looked_at(store: Store) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        client = await world.client("1")
        for name in ("one.eml", "two.eml", "plain.eml"):
            await world.post("INBOX", name)
        await client.ok("SELECT INBOX")
        await client.ok("SEARCH BODY zzz")
        assert client.connection.session.looked == 3
        await client.ok("SEARCH OR BODY zzz SENTBEFORE 1-Jan-1990")
        assert client.connection.session.looked == 6
        await client.ok("UID COPY 1 Archive")
        assert client.connection.session.looked == 0
        await world.close()

    asyncio.run(main())


def test_a_client_that_is_gone_and_one_that_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        told = asyncio.Event()

        async def tell() -> None:
            told.set()
            raise ConnectionResetError

        monkeypatch.setattr(progress, "AFTER_S", 0.001)
        waiting = Waiting(tell)
        await told.wait()
        waiting.end()
        monkeypatch.setattr(progress, "AFTER_S", 3600.0)
        quick = Waiting(tell)
        quick.end()
        quick.end()
        assert len(asyncio.all_tasks()) <= 2
        await asyncio.sleep(0)

    asyncio.run(main())
