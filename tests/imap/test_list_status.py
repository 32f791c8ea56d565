"""LIST RETURN (STATUS) costs a few statements, whatever the number of boxes (RFC 5819 5)."""

import asyncio
from typing import Any

import sqlalchemy as sa

from opostd.store.run import Store
from tests.imap.transcript import DOMAIN, World, mail

STATEMENTS = 16  # six, and what carries a page into one box


def test_a_hundred_boxes(store: Store) -> None:
    """All up to date: a message to everyone is carried into INBOX first (promise 5)."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        statements.append(statement)

    async def main() -> None:
        world = World(store)
        await world.start()
        client = await world.client("1")
        for number in range(100):
            await client.ok(f"CREATE b{number:03}")
        await world.post("b007", "plain.eml")
        await world.send(f"everyone@{DOMAIN}", mail("two.eml").replace(b"x@", b"root@"))
        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            lines = await client.ok('LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN SIZE HIGHESTMODSEQ))')
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
        counted = [line for line in lines if line.startswith("* STATUS")]
        assert len(counted) == 106
        assert any(line.startswith("* STATUS b007 (MESSAGES 1 UNSEEN 1 ") for line in counted)
        assert any(line.startswith("* STATUS INBOX (MESSAGES 1 UNSEEN 1 ") for line in counted)
        assert len(statements) <= STATEMENTS, statements
        await world.close()

    asyncio.run(main())
