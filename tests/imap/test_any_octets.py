"""Whatever a client sends, a whole connection over a real store answers OK, NO or BAD, and is never at fault itself."""

import asyncio
import random

from opostd.imap.commands.table import ROWS
from opostd.store.run import Store
from tests.imap.parse.test_any import WORDS
from tests.imap.transcript import Client, World

ROUNDS = 600  # about three seconds
LEFT_OUT = (b"LOGOUT", b"UNAUTHENTICATE", b"IDLE", b"AUTHENTICATE")  # they end the session, or wait for a line
PIECES = [
    *WORDS,
    *(
        b" 1:* ",
        b" (FLAGS)",
        b" INBOX",
        b" Archive",
        b" BODY[HEADER]",
        b" +FLAGS (\\Seen a)",
        b' "" %',
        b" {3+}\r\na\0\xff",
    ),
    *(
        b" BODY.PEEK[1.MIME]<1.5>",
        b" SUBJECT x",
        b" OLD/x",
        b" (MESSAGES UNSEEN)",
        b" {12+}\r\nA: b\r\n\r\nbody",
        b" ENVELOPE",
    ),
]


async def _answers(world: World, seed: int) -> list[str]:
    chance = random.Random(seed)
    await world.start()
    for name in ("plain.eml", "multi.eml"):
        await world.post("INBOX", name)
    client = await world.client("1")
    await client.ok("SELECT INBOX")
    names = [row.name for row in ROWS if row.name not in LEFT_OUT]
    lines: list[str] = []
    for number in range(ROUNDS):
        if chance.random() < 0.1:
            await client.ok("SELECT INBOX")
        rest = b"".join(chance.choices(PIECES, k=chance.randrange(5)))
        if chance.random() < 0.5:
            rest = b" " + rest
        client.connection.feed(b"t%d " % number + chance.choice(names) + rest + b"\r\n")
        lines += await _until(client, f"end{number}")
    return lines


async def _until(client: Client, tag: str) -> list[str]:
    client.send(f"{tag} NOOP")
    lines = [await client.transport.line()]
    while not lines[-1].startswith(tag + " "):
        lines.append(await client.transport.line())
    return lines


def test_never_at_fault(store: Store) -> None:
    world = World(store)

    async def run() -> list[str]:
        try:
            return await _answers(world, seed=1)
        finally:
            await world.close()

    lines = asyncio.run(run())
    assert [line for line in lines if "SERVERBUG" in line] == []
    conditions = {line.split()[1] for line in lines if line.startswith("t") and len(line.split()) > 1}
    assert {"OK", "NO", "BAD"} <= conditions
