"""One client: it does this and that at random, by its belief, and holds every answer against it."""

import asyncio
import contextlib
import random
import re
from collections.abc import Awaitable, Callable, Collection, Iterable

from tests.imap.stress.belief import Belief, Message, Truth, numbers

PATIENCE_S = 60.0  # on a machine where everything else runs too
NEW = b"Subject: stress\r\n\r\nA message.\r\n"
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$Work", "$Label1")
MODIFIED = re.compile(r"\S+ (?:OK|NO) \[MODIFIED ([\d:,]+)\]")
SMALL, LARGE = 15, 60  # messages: below, clients do not remove; above, they do not add


def written(uids: Iterable[int]) -> str:
    """A set of numbers as a client writes it."""
    return ",".join(str(uid) for uid in uids)


LISTEN = (
    "NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange)) (mailboxes Other (MessageNew MessageExpunge))"
)


class Client:
    """mode: plain, condstore or qresync; chosen anew at each connection, as whether it listens all the time (RFC 5465)."""

    def __init__(self, name: str, port: int, user: str, password: str, truth: Truth, chance: random.Random) -> None:
        self.name = name
        self.chance = chance
        self.belief = Belief(truth)
        self.lines: list[str] = []  # of the last commands, for the one who reads a failure
        self.commands = 0
        self._port, self._user, self._password = port, user, password
        self._truth = truth
        self._validity = 0
        self._listens = False
        self._tags = 0
        self._writer: asyncio.StreamWriter | None = None

    # Octets

    async def connect(self, mode: str | None = None, resync: bool = False, listens: bool | None = None) -> None:
        """resync: by QRESYNC from what is believed now.  listens: says NOTIFY; None is by chance."""
        mode = mode or self.chance.choice(["plain", "condstore", "qresync", "qresync"])
        before = self.belief
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._line()
        self.belief = Belief(self._truth)
        await self.command(f"LOGIN {self._user} {self._password}")
        if mode == "condstore":
            await self.command("ENABLE CONDSTORE")
        elif mode == "qresync":
            await self.command("ENABLE QRESYNC")
        self._listens = self.chance.random() < 0.4 if listens is None else listens
        if self._listens:
            await self.command(LISTEN)
        self.belief.aware, self.belief.vanished = mode != "plain", mode == "qresync"
        if resync and mode == "qresync" and before.highestmodseq:
            await self._resync(before)
        else:
            await self._select("SELECT INBOX")

    async def _resync(self, before: Belief) -> None:
        known = before.known()
        words = [str(self._validity), str(before.highestmodseq)]
        if known and self.chance.random() < 0.5:
            words.append(written(known))
            if self.chance.random() < 0.5:
                words.append(f"(1 {min(known)})")
        self.belief.highestmodseq = before.highestmodseq
        self.belief.cached = {uid: Message(uid, each.flags, each.modseq) for uid, each in known.items()}
        await self._select(f"SELECT INBOX (QRESYNC ({' '.join(words)}))")

    async def _select(self, command: str) -> None:
        lines = await self.command(command)
        self.belief.resynced()
        (validity,) = [found[1] for line in lines if (found := re.search(r"\[UIDVALIDITY (\d+)\]", line))]
        self._validity = int(validity)
        await self.fill()

    async def cut(self) -> None:
        """The connection breaks, where there is one."""
        if self._writer is not None:
            self._writer.transport.abort()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _line(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            octets = await self._reader.readline()
        assert octets, "the server has closed the connection"
        line = octets.decode("ascii").removesuffix("\r\n")
        self._note("S: " + line)
        return line

    def _note(self, line: str) -> None:
        self.lines = [*self.lines[-60:], line]

    def _write(self, text: str) -> None:
        assert self._writer is not None, "not connected"
        self._writer.write(text.encode("ascii"))

    def _send(self, line: str) -> str:
        self._tags += 1
        self.commands += 1
        tag = f"{self.name}.{self._tags}"
        self._note(f"C: {tag} {line.splitlines()[0]}")
        self._write(f"{tag} {line}\r\n")
        self.belief.begin()
        return tag

    async def command(
        self, line: str, *, may_expunge: bool = True, complete: bool = True, told: set[int] | None = None
    ) -> list[str]:
        """Sends a command; all lines of its answer that are not about messages, and the tagged one."""
        return await self._answer(self._send(line), may_expunge, complete, set() if told is None else told)

    async def _answer(self, tag: str, may_expunge: bool, complete: bool, told: set[int]) -> list[str]:
        lines: list[str] = []
        while True:
            line = await self._line()
            about = self.belief.hear(line, may_expunge=may_expunge, complete=complete, told=told)
            if line.startswith(tag + " "):
                self.belief.end()
                refused = line.startswith((f"{tag} BAD", f"{tag} NO")) and "[MODIFIED" not in line
                assert not refused, f"refused: {line}"
                return [*lines, line]
            assert line.startswith("* "), f"neither untagged nor tagged: {line}"
            if not about:
                lines.append(line)

    # What it does

    async def step(self) -> None:
        """One thing, chosen by chance."""
        count = len(self.belief.messages)
        choices: list[tuple[int, Callable[[], Awaitable[object]]]] = [
            (3, lambda: self.command("NOOP")),
            (3, self.fill),
            (4, self._fetch),
            (8, self._store),
            (2, self._search),
            (2, self._idle),
            (1, self._status),
            (1, self._changed),
            (2, self._reconnect),
            (1, self._reselect),
        ]
        if count > SMALL:
            choices += [(3, self._expunge), (1, self._move)]
        if count < LARGE:
            choices += [(3, self._append), (1, self._copy)]
        weights, steps = zip(*choices, strict=True)
        await self.chance.choices(steps, weights)[0]()

    async def fill(self) -> None:
        """Asks for what it does not know."""
        first = self.belief.first_unknown()
        if first is not None:
            modseq = " MODSEQ" if self.belief.aware else ""
            await self.command(f"UID FETCH {first}:* (UID FLAGS{modseq} EMAILID)")

    def _some(self) -> list[int]:
        """Sequence numbers, ascending."""
        count = len(self.belief.messages)
        return sorted(self.chance.sample(range(1, count + 1), min(count, self.chance.randint(1, 6))))

    def _some_uids(self) -> list[int]:
        found = [self.belief.messages[number - 1].uid for number in self._some()]
        return [uid for uid in found if uid is not None]

    async def _fetch(self) -> None:
        if some := self._some():
            items = self.chance.choice(["FLAGS", "(UID FLAGS)", "UID", "(UID EMAILID)", "RFC822.SIZE"])
            await self.command(f"FETCH {written(some)} {items}", may_expunge=False, complete=False)

    async def _changed(self) -> None:
        if not self.belief.aware:
            return
        since = max(1, self.belief.highestmodseq - self.chance.randint(0, 30))
        vanished = " VANISHED" if self.belief.vanished and self.chance.random() < 0.7 else ""
        await self.command(f"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since}{vanished})")

    async def _store(self) -> None:
        by_uid = self.chance.random() < 0.5
        targets = self._some_uids() if by_uid else self._some()
        if not targets:
            return
        sign = self.chance.choice(["+", "-", "", "+"])
        flags = frozenset(self.chance.sample(FLAGS, self.chance.randint(1, 2)))
        silent = ".SILENT" if not self._listens and self.chance.random() < 0.6 else ""
        condition = ""
        if self.belief.aware and self.chance.random() < 0.4:
            condition = f" (UNCHANGEDSINCE {max(0, self.belief.highestmodseq - self.chance.randint(0, 8))})"
        meant = [each for each in self.belief.messages if each.uid in targets] if by_uid else [
            self.belief.messages[number - 1] for number in targets
        ]  # fmt: skip
        told: set[int] = set()
        lines = await self.command(
            f"{'UID ' if by_uid else ''}STORE {written(targets)}{condition} {sign}FLAGS{silent} ({' '.join(sorted(flags))})",
            may_expunge=by_uid,
            complete=self.belief.aware,
            told=told,
        )
        if silent:
            self._changed_by_me(meant, sign, flags, told, self._modified(lines[-1], by_uid))

    def _modified(self, tagged: str, by_uid: bool) -> set[int]:
        found = MODIFIED.match(tagged)
        if found is None:
            return set()
        named = numbers(found[1])
        return set(named) if by_uid else {self.belief.messages[number - 1].uid or 0 for number in named}

    @staticmethod
    def _changed_by_me(
        meant: Collection[Message], sign: str, flags: frozenset[str], told: set[int], refused: set[int]
    ) -> None:
        """After .SILENT the client knows what its flags are, but where it has been told otherwise."""
        for each in meant:
            if each.flags is None or each.uid in told or each.uid in refused:
                continue
            each.flags = {"+": each.flags | flags, "-": each.flags - flags, "": flags}[sign]

    async def _search(self) -> None:
        if self.chance.random() < 0.5:
            lines = await self.command("SEARCH ALL", may_expunge=False)
            (line,) = [each for each in lines if each.startswith("* SEARCH")]
            found = [int(word) for word in line.split()[2:]]
            assert found == sorted(set(found)), f"not ascending: {line}"
            assert all(1 <= number <= len(self.belief.messages) for number in found), line
        else:
            await self.command("UID SEARCH 1:* DELETED" if self.belief.messages else "UID SEARCH DELETED",
                               may_expunge=not self.belief.messages)  # fmt: skip

    async def _idle(self) -> None:
        tag = self._send("IDLE")
        while not (line := await self._line()).startswith("+ "):
            self._hear_idling(line)
        until = asyncio.get_running_loop().time() + self.chance.uniform(0.02, 0.3)
        while (left := until - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(left):
                    line = (await self._reader.readuntil(b"\r\n")).decode("ascii").removesuffix("\r\n")
            except TimeoutError:
                break
            self._note("S: " + line)
            self._hear_idling(line)
        self._write("DONE\r\n")
        await self._answer(tag, True, True, set())

    def _hear_idling(self, line: str) -> None:
        about = self.belief.hear(line, may_expunge=True, complete=True, told=set())
        assert about or (self._listens and line.startswith("* STATUS Other (")), line

    async def _status(self) -> None:
        items = "MESSAGES UIDNEXT UNSEEN DELETED SIZE" + (" HIGHESTMODSEQ" if self.belief.aware else "")
        await self.command(f"STATUS {self.chance.choice(['INBOX', 'Other'])} ({items})")

    async def _expunge(self) -> None:
        if uids := self._some_uids():
            told: set[int] = set()
            # What is pushed may be older than what its own STORE does: a client that listens has that told.
            silent = "" if self._listens else ".SILENT"
            line = f"UID STORE {written(uids)} +FLAGS{silent} (\\Deleted)"
            meant = [each for each in self.belief.messages if each.uid in uids]
            await self.command(line, told=told)
            if silent:
                self._changed_by_me(meant, "+", frozenset(["\\Deleted"]), told, set())
            await self.command(f"UID EXPUNGE {written(uids)}" if self.chance.random() < 0.7 else "EXPUNGE")

    async def _move(self) -> None:
        if uids := self._some_uids():
            await self.command(f"UID MOVE {written(uids)} Other")

    async def _copy(self) -> None:
        if some := self._some():
            await self.command(f"COPY {written(some)} {self.chance.choice(['INBOX', 'Other'])}")

    async def _append(self) -> None:
        flags = f"({self.chance.choice(FLAGS)}) " if self.chance.random() < 0.5 else ""
        await self.command(f"APPEND INBOX {flags}{{{len(NEW)}+}}\r\n{NEW.decode('ascii')}")

    async def _reselect(self) -> None:
        """CLOSE removes without a word, UNSELECT does not; then what is believed is resynchronized, or forgotten."""
        before = self.belief
        word = "CLOSE" if len(before.messages) > SMALL and self.chance.random() < 0.3 else "UNSELECT"
        await self.command(word)
        self.belief = Belief(self._truth, before.aware, before.vanished)
        if before.vanished and before.highestmodseq:
            await self._resync(before)
        else:
            await self._select("SELECT INBOX")

    async def _reconnect(self) -> None:
        """Politely, or in the middle of a command of which no answer is seen."""
        if self.chance.random() < 0.5:
            await self.command("LOGOUT")
        elif (uids := self._some_uids()) and self.chance.random() < 0.5:
            self._send(f"UID STORE {written(uids)} +FLAGS (\\Flagged)")
        await self.cut()
        await self.connect("qresync" if self.belief.vanished else None, resync=True)

    async def settle(self) -> None:
        """Until there is nothing more to be told, and it knows all."""
        await self.command("NOOP")
        while self.belief.first_unknown() is not None:
            await self.fill()
