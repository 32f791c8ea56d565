"""The whole: two daemons on one store, clients at both, and checkpoints at which all must believe the same."""

import asyncio
import random
import secrets
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from opostd.config import StoreSettings
from opostd.store import boxes, provision
from opostd.store.run import Store
from tests.imap.stress.belief import Belief, Truth
from tests.imap.stress.client import LARGE, NEW, Client
from tests.support.daemon import Daemon, fill, free_ports, home_environ

DOMAIN = "opost.example"
USER, PASSWORD = f"anna@{DOMAIN}", "deadbeef"
NOW = 1_700_000_000
ROUND_S = 2.0  # between two checkpoints
LOOKS = 5
CONFIG = """
hostname = "mail.opost.example"
domains  = ["opost.example"]
[store]
url = "{url}"
[imap]
listen = ["127.0.0.1:{{imap}}"]
[auth]
plaintext_on_loopback = true
"""


class Failed(AssertionError):
    """What a client was told that it must not be, with its last lines."""


@dataclass
class Outcome:
    """commands: how many were answered; checkpoints: at how many all believed the same."""

    commands: int = 0
    checkpoints: int = 0


class Door(Daemon):
    """A daemon, perhaps with a fault planted in it (``faults``)."""

    fault: str | None = None

    def start(self) -> None:
        self.program = ("-m", "opostd") if self.fault is None else ("-m", "tests.imap.stress.faults", self.fault)
        super().start()


async def make(settings: StoreSettings) -> None:
    """anna, and her box Other."""
    secret = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store = Store(settings)
    try:
        await provision.ensure_system(store, (DOMAIN,), now=NOW)
        account = await provision.add_user(store, USER, secret=secret, now=NOW)
        await store.run(boxes.create, account.owner, "Other")
    finally:
        await store.close()


def open_doors(settings: StoreSettings, folder: Path, count: int, fault: str | None) -> list[Daemon]:
    """Daemons on one store, ready.  fault: planted into the first."""
    doors: list[Daemon] = []
    for number in range(count):
        home = folder / f"door{number}"
        home.mkdir()
        ports = free_ports()
        config = home / "opostd.toml"
        config.write_text(fill(CONFIG.format(url=settings.url), ports, home))
        kind = type("Door", (Door,), {"fault": None if number else fault})
        doors.append(kind(["--config", str(config), "serve"], home_environ(home), ports, config))
    for door in doors:
        door.wait_ready()
    return doors


async def stress(ports: Sequence[int], *, clients: int, seconds: float, seed: int | None = None) -> Outcome:
    """Clients at these ports for so long.  Raises Failed at the first thing that is not as it must be."""
    seed = secrets.randbelow(2**32) if seed is None else seed
    truth, outcome = Truth(), Outcome()
    people = [
        Client(f"c{number}", ports[number % len(ports)], USER, PASSWORD, truth, random.Random(seed + number))
        for number in range(clients)
    ]
    writers = [
        Client(f"w{number}", port, USER, PASSWORD, Truth(), random.Random(seed - 1 - number))
        for number, port in enumerate(ports)
    ]
    everybody = [*people, *writers]
    loop = asyncio.get_running_loop()
    try:
        await _all([(each, each.connect()) for each in people])
        await _all([(each, each.connect("plain", listens=False)) for each in writers])
        end = loop.time() + seconds
        while loop.time() < end:
            until = min(end, loop.time() + ROUND_S)
            at_work = [(each, _work(each, until)) for each in people]
            await _all([*at_work, *((each, _write(each, until)) for each in writers)])
            await _checkpoint(people, ports, truth)
            outcome.checkpoints += 1
        await _all([(each, each.command("LOGOUT")) for each in everybody])
        outcome.commands = sum(each.commands for each in everybody)
    finally:
        for each in everybody:
            await each.cut()
    return outcome


async def _work(client: Client, until: float) -> None:
    while asyncio.get_running_loop().time() < until:
        await client.step()


async def _write(client: Client, until: float) -> None:
    """New messages, and those that were moved away come back: one of these is at each door."""
    while asyncio.get_running_loop().time() < until:
        if len(client.belief.messages) < LARGE:
            await client.command(f"APPEND INBOX {{{len(NEW)}+}}\r\n{NEW.decode('ascii')}")
        await client.command("NOOP")
        if client.chance.random() < 0.2:
            client.belief = Belief(Truth())
            await client.command("SELECT Other")
            if client.belief.messages:
                await client.command("UID MOVE 1:* INBOX")
            client.belief = Belief(Truth())
            await client.command("SELECT INBOX")
        await asyncio.sleep(client.chance.uniform(0, 0.05))


async def _checkpoint(people: Sequence[Client], ports: Sequence[int], truth: Truth) -> None:
    """All know all.  A command of a connection that was cut may still run, and change the box after somebody has looked:
    then all look once more.
    """
    for left in reversed(range(LOOKS)):
        before = await _modseq(ports[0])
        await _all([(each, each.settle()) for each in people])
        try:
            return await _compare(people, ports, truth)
        except Failed:
            if not left or await _modseq(ports[0]) == before:
                raise


async def _modseq(port: int) -> int:
    """Of the box, as the store has it now."""
    fresh = Client("m", port, USER, PASSWORD, Truth(), random.Random(0))
    try:
        await _all([(fresh, fresh.connect("condstore", listens=False))])
        return fresh.belief.highestmodseq
    finally:
        await fresh.cut()


async def _compare(people: Sequence[Client], ports: Sequence[int], truth: Truth) -> None:
    """What somebody sees who comes anew, at each door, is what all believe."""
    wanted: dict[int | None, tuple[frozenset[str] | None, int | None]] | None = None
    for number, port in enumerate(ports):
        fresh = Client(f"f{number}", port, USER, PASSWORD, truth, random.Random(0))
        try:
            await _all([(fresh, fresh.connect("condstore"))])
        finally:
            await fresh.cut()
        seen = {each.uid: (each.flags, each.modseq) for each in fresh.belief.messages}
        if wanted is not None and seen != wanted:
            raise Failed(f"the doors differ: {wanted} and {seen}")
        wanted = seen
    assert wanted is not None
    for each in people:
        uids = [message.uid for message in each.belief.messages]
        if uids != list(wanted):
            raise _failed(each, f"counts {uids}, and there are {list(wanted)}")
        for message in each.belief.messages:
            flags, modseq = wanted[message.uid]
            if message.flags != flags:
                raise _failed(
                    each, f"UID {message.uid} has {set(flags or ())}, and it believes {set(message.flags or ())}"
                )
            if each.belief.aware and message.modseq not in (None, modseq):
                raise _failed(each, f"UID {message.uid} is at modseq {modseq}, and it believes {message.modseq}")


async def _all(work: Sequence[tuple[Client, Coroutine[Any, Any, object]]]) -> None:
    """All side by side, to the end or to the first that fails."""
    tasks = {asyncio.ensure_future(each): client for client, each in work}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        if (error := task.exception()) is not None:
            raise _failed(tasks[task], f"{type(error).__name__}: {error}") from error


def _failed(client: Client, why: str) -> Failed:
    return Failed("\n".join([f"{client.name}: {why}", *client.lines]))


def with_doors(
    settings: StoreSettings,
    folder: Path,
    *,
    clients: int,
    seconds: float,
    doors: int = 2,
    fault: str | None = None,
    seed: int | None = None,
) -> Outcome:
    """The whole, on a store that is migrated and empty."""
    asyncio.run(make(settings))
    opened = open_doors(settings, folder, doors, fault)
    try:
        ports = [door.ports["imap"] for door in opened]
        outcome = asyncio.run(stress(ports, clients=clients, seconds=seconds, seed=seed))
    finally:
        for door in opened:
            door.stop()
    for door in opened:
        assert "incident" not in door.output, door.output
        assert "Traceback" not in door.output, door.output
    print(f"{outcome.commands} commands, {outcome.checkpoints} checkpoints", file=sys.stderr)
    return outcome
