"""Who asks why a mail program complains finds each NO and BAD in the log, in one line, without what passers-by write."""

import asyncio
import logging

import pytest

from opostd.store.run import Store
from tests.imap.transcript import World


def test_each_refusal_is_a_line(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = World(store)
        await world.start()
        try:
            stranger = await world.client("2", login=False)
            for line in ("s1 FETCH 1 FLAGS", "s2 NONSENSE"):  # before a login: not worth a line
                stranger.send(line)
            client = await world.client("1")
            for line in (
                "c1 SELECT Nowhere",
                "c2 FETCH 1 FLAGS",
                "c3 NOOP NOOP",
                f"c4 NON{'X' * 100} <password>",
                "c5 SELECT {99999999}",
            ):
                client.send(line)
                while not (await client.transport.line()).startswith(line[:2]):
                    pass
        finally:
            await world.close()

    with caplog.at_level(logging.INFO, "opostd.imap"):
        asyncio.run(main())
    told = [record.getMessage() for record in caplog.records if record.name == "opostd.imap"]
    assert [line.split(":")[0] for line in told] == ["imap no", "imap bad", "imap bad", "imap bad", "imap bad"]
    assert all("peer=127.0.0.1" in line for line in told)
    assert "password" not in caplog.text
    assert max(map(len, told)) < 120
