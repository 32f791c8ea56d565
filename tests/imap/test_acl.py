"""Which right each command needs (RFC 4314 4), what a stranger learns (nothing), and what one's own boxes pay (nothing)."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from opostd.imap.commands.table import TABLE
from opostd.model.rights import LETTERS, Change, Grantee, GranteeKind, rights_of
from opostd.store import acl, boxes
from opostd.store.run import Store
from tests.imap.transcript import DOMAIN, NOW, Client, World

ANNA = f"Shared/anna@{DOMAIN}"
MESSAGE = "{27+}\r\nSubject: a message\r\n\r\ntext1"
ALL = "lrswipkxtea"

# command on the box {b}, which the reader has not selected: the rights that it needs
UNSELECTED = {
    "SELECT {b}": "r",
    "EXAMINE {b}": "r",
    "STATUS {b} (MESSAGES UNSEEN)": "r",
    "APPEND {b} (\\Seen) " + MESSAGE: "i",
    "UID COPY 1:* {b}": "i",
    "UID MOVE 1:* {b}": "i",
    "REPLACE 1 {b} " + MESSAGE: "i",
    "CREATE {b}/new": "k",
    "DELETE {b}": "x",
    "RENAME {b} " + ANNA + "/above/new": "x",
    "RENAME " + ANNA + "/mover {b}/new": "k",
    "SUBSCRIBE {b}": "l",
    "GETACL {b}": "a",
    "SETACL {b} cara lr": "a",
    "DELETEACL {b} cara": "a",
    "LISTRIGHTS {b} cara": "a",
}
# the reader has selected the box, for which r is needed
SELECTED = {
    "EXPUNGE": "e",
    "UID EXPUNGE 1": "e",
    "CLOSE": "",
    "NOOP": "",
    "FETCH 1 (FLAGS BODY[])": "",
    "SEARCH ALL": "",
    "COPY 1 INBOX": "",
    "MOVE 1 INBOX": "te",
    f"REPLACE 1 INBOX {MESSAGE}": "te",
    "STORE 1 +FLAGS (\\Seen)": "s",
    "STORE 1 -FLAGS.SILENT (\\Deleted)": "t",
    "STORE 1 +FLAGS (\\Flagged)": "w",
    "STORE 1 +FLAGS ($Label)": "w",
}


class Sharing:
    """anna's boxes, and bob who looks at them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = 0

    async def box(self, name: str = "") -> str:
        """A new box of anna with a message in it, under the name that others see."""
        self.count += 1
        name = name or f"b{self.count}"
        await self.world.store.run(boxes.create, self.world.accounts["anna"].owner, name, "", NOW)
        await self.world.post(name, "plain.eml")
        return f"{ANNA}/{name}"

    async def give(self, name: str, letters: str, who: str = "bob") -> None:
        accounts = self.world.accounts
        box = await self.world.store.run(boxes.box_named, accounts["anna"].owner, name.removeprefix(ANNA + "/"))
        grantee = Grantee(GranteeKind.PERSON, accounts[who].owner)
        await self.world.store.run(acl.change, box.owner, box.box, grantee, Change.REPLACE, rights_of(letters))


def in_world(store: Store, main: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World(store)
        await world.start()
        try:
            await main(world)
        finally:
            await world.close()

    asyncio.run(run())


async def answer(client: Client, command: str) -> list[str]:
    """All lines up to the tagged one, without its tag."""
    client.send(f"t {command}")
    lines = [await client.transport.line()]
    while not lines[-1].startswith("t "):
        lines.append(await client.transport.line())
    return [*lines[:-1], lines[-1][2:]]


def without(letters: str, out: str) -> str:
    return "".join(letter for letter in letters if letter not in out)


def test_rights_by_commands(store: Store) -> None:
    """Each command with just what it needs, without any one of it, and without that and l."""

    async def main(world: World) -> None:
        await world.user("cara")
        sharing = Sharing(world)
        above, mover = await sharing.box("above"), await sharing.box("mover")
        await sharing.give(above, "k")
        await sharing.give(mover, "x")
        client = await world.client("1", "bob")
        for command, needed in UNSELECTED.items():
            for letters, expected in (
                (needed, "OK"),
                (without(ALL, needed), "NO [NOPERM]" if needed != "l" else "NO [NONEXISTENT]"),
                (without(ALL, needed + "l"), "NO [NONEXISTENT]"),
                ("", "NO [NONEXISTENT]"),
            ):
                if letters == "" and needed in ("", "l"):
                    continue
                await client.ok("SELECT INBOX")
                await client.ok(f"APPEND INBOX {MESSAGE}")
                name = await sharing.box()
                await sharing.give(name, letters)
                got = (await answer(client, command.replace("{b}", name)))[-1]
                wanted = expected
                if wanted == "NO [NONEXISTENT]" and command.split()[0] in ("APPEND", "UID", "REPLACE"):
                    wanted = "NO [TRYCREATE]"
                assert got.startswith(wanted), (command, letters, got)
                if got.startswith("OK") and "mover" in command:  # once only
                    await sharing.box("mover")
                    await sharing.give(mover, "x")
                if got.startswith("OK") and "/above/new" in command:
                    owner = world.accounts["anna"].owner
                    await store.run(boxes.delete, owner, "above/new")
        for command, needed in SELECTED.items():
            for each in ("", *needed):
                letters = "r" + needed if not each else without(ALL, each)
                name = await sharing.box()
                await sharing.give(name, letters)
                await client.ok(f"SELECT {name}")
                got = (await answer(client, command))[-1]
                assert got.startswith("NO [NOPERM]" if each else "OK"), (command, letters, got)

    in_world(store, main)


def test_list_and_myrights_by_right(store: Store) -> None:
    """LIST shows what one may look up and nothing else; MYRIGHTS answers to any of l r i k x a (RFC 4314 4)."""

    async def main(world: World) -> None:
        sharing = Sharing(world)
        client = await world.client("1", "bob")
        for letter in ALL:
            name = await sharing.box()
            await sharing.give(name, letter)
            listed = [line for line in await answer(client, 'LIST "" Shared/*') if name in line]
            assert bool(listed) == (letter == "l"), letter
            got = await answer(client, f"MYRIGHTS {name}")
            if letter in "lrikxa":
                assert got[0].startswith(f'* MYRIGHTS "{name}" {letter}')
                assert got[-1].startswith("OK")
            else:
                assert got == ["NO [NONEXISTENT] no such mailbox"]

    in_world(store, main)


@pytest.mark.parametrize(
    ("letters", "permanent", "code"),
    [
        ("r", "()", "READ-ONLY"),
        ("rkxpa", "()", "READ-ONLY"),
        ("ri", "()", "READ-WRITE"),
        ("re", "()", "READ-WRITE"),
        ("rs", r"(\Seen)", "READ-WRITE"),
        ("rt", r"(\Deleted)", "READ-WRITE"),
        ("rw", r"(\Answered \Flagged \Draft \*)", "READ-WRITE"),
        (ALL, r"(\Answered \Flagged \Deleted \Seen \Draft \*)", "READ-WRITE"),
    ],
)
def test_select_tells_what_may_be_changed(store: Store, letters: str, permanent: str, code: str) -> None:
    """RFC 4314 5.1.1, 5.2."""

    async def main(world: World) -> None:
        sharing = Sharing(world)
        name = await sharing.box()
        await sharing.give(name, letters)
        client = await world.client("1", "bob")
        lines = await answer(client, f"SELECT {name}")
        assert f"* OK [PERMANENTFLAGS {permanent}] kept" in lines
        assert lines[-1].startswith(f"OK [{code}]")
        lines = await answer(client, f"EXAMINE {name}")
        assert "* OK [PERMANENTFLAGS ()] kept" in lines
        assert lines[-1].startswith("OK [READ-ONLY]")
        assert (await answer(client, "STORE 1 +FLAGS (\\Seen)"))[-1].startswith("NO [CANNOT]")

    in_world(store, main)


# A command with a mailbox name each; {b} is the name
NAMING = [
    *(
        *UNSELECTED,
        "UNSUBSCRIBE {b}",
        "MYRIGHTS {b}",
        "RENAME {b} mine",
        "RENAME INBOX {b}",
        "LSUB {b} *",
        "GETQUOTAROOT {b}",
    ),
    *("LIST {b} *", 'LIST "" {b}', 'LIST "" {b}*', 'LIST "" ({b} {b}/%) RETURN (MYRIGHTS STATUS (MESSAGES))'),
    *("LIST (SUBSCRIBED RECURSIVEMATCH) {b} *", "SELECT {b} (QRESYNC (1 1))", "SELECT {b} (CONDSTORE)"),
    *(
        "UID REPLACE 1 {b} " + MESSAGE,
        "COPY 1 {b}",
        "MOVE 1 {b}",
        "REPLACE 1 {b} " + MESSAGE,
        "CREATE {b} (USE (\\Archive))",
    ),
    *("GETMETADATA {b} (/shared/comment)", 'SETMETADATA {b} (/private/comment "x")', "ESEARCH IN (mailboxes {b}) ALL"),
    *("ESEARCH IN (subtree {b}) ALL", "NOTIFY SET (mailboxes {b} (MessageNew MessageExpunge))"),
    'APPEND Drafts CATENATE (URL "/{u};UIDVALIDITY=1/;UID=1/;SECTION=HEADER")',
    'APPEND Drafts CATENATE (URL "/{u}/;UID=1")',
    *(
        f"NOTIFY SET STATUS ({scope} {{b}} (MessageNew MessageExpunge MailboxName))"
        for scope in ("mailboxes", "subtree")
    ),
]
NAMELESS = set(
    """CAPABILITY NOOP LOGOUT ID STARTTLS AUTHENTICATE LOGIN UNAUTHENTICATE ENABLE NAMESPACE COMPRESS IDLE CHECK CLOSE
    UNSELECT GETQUOTA UIDBATCHES EXPUNGE FETCH STORE SEARCH SORT THREAD""".split()
) | {"UID EXPUNGE", "UID FETCH", "UID STORE", "UID SEARCH", "UID SORT", "UID THREAD"}
HIDDEN = [
    ANNA + "/secret",
    ANNA + "/secret/inner",
    f"Shared/ANNA@{DOMAIN}/secret",
    ANNA + "/INBOX",
    ANNA,
    ANNA + "/open/../secret",
    f"Shared/../anna@{DOMAIN}/secret",
    "Shared/hidden",
    "Shared/hidden/box",
    f"shared/anna@{DOMAIN}/secret",
    f"anna@{DOMAIN}/secret",
    f"Shared/anna=40{DOMAIN}/secret",
    "secret",
]
NOWHERE = {
    "Shared": [
        f"Shared/nobody@{DOMAIN}/nothing",
        f"Shared/nobody@{DOMAIN}/../nothing",
        ANNA + "/nothing",
        "Shared/nothing/at-all",
        "Shared/nothing",
    ],
    "": ["nothing/at-all", "nothing"],
}


def test_a_stranger_learns_nothing(store: Store) -> None:
    """Every command that names a mailbox, also those that are to come: what is hidden is answered, word for word, as what is nowhere."""
    walked = {re.match(r"(UID )?\S+", command)[0] for command in NAMING}  # type: ignore[index]
    assert {name.decode() for name in TABLE} <= walked | NAMELESS, "does the new command name a mailbox?"

    async def main(world: World) -> None:
        sharing = Sharing(world)
        for name in ("secret", "secret/inner", "open"):
            await sharing.box(name)
        await sharing.give(f"{ANNA}/secret", "lrswipkxtea", who="root")
        await world.share_tree("hidden", "hidden/box")
        client = await world.client("1", "bob")
        await client.ok("ENABLE QRESYNC")
        for something_is_shared in (False, True):
            if something_is_shared:  # so that anna is somebody who shares
                await sharing.give(f"{ANNA}/open", "l")
            for command in NAMING:
                nowhere_of = {
                    top: [await said(client, command, each) for each in names] for top, names in NOWHERE.items()
                }
                for hidden in HIDDEN:
                    shared = hidden.startswith("Shared")
                    if something_is_shared and (not shared or hidden == ANNA):  # which is then a level that is there
                        continue
                    told = await said(client, command, hidden)
                    nowhere = nowhere_of["Shared" if shared else ""]
                    if told[-1].startswith("OK [MAILBOXID"):  # a box of one's own of that name
                        assert not shared, (command, hidden, told)
                        continue
                    assert told in nowhere, (command, hidden, told, nowhere)
                    assert "secret" not in "".join(told), (command, hidden, told)
                    assert "NOPERM" not in told[-1], (command, hidden, told)
        assert [line for line in await answer(client, 'LIST "" *secret*') if "Shared" in line] == []

    in_world(store, main)


async def said(client: Client, command: str, name: str) -> list[str]:
    """The answer, with the name out of it, and the state as before."""
    if command.startswith(("COPY", "MOVE", "REPLACE", "UID", "SELECT", "EXAMINE")):
        await client.ok("SELECT INBOX")
        await client.ok(f"APPEND INBOX {MESSAGE}")
    url = name.replace("@", "%40")
    lines = await answer(client, command.replace("{b}", f'"{name}"').replace("{u}", url))
    if lines[-1].startswith("OK") and command.startswith("CREATE"):
        await client.ok(f'DELETE "{name}"')
    if command.startswith("NOTIFY") and lines[-1].startswith("OK"):
        await client.ok("NOTIFY NONE")
    if command.startswith("RENAME INBOX") and lines[-1].startswith("OK"):
        await client.ok(f'DELETE "{name}"')
    if command.startswith("SUBSCRIBE") and lines[-1].startswith("OK"):
        await client.ok(f'UNSUBSCRIBE "{name}"')
    for each in (f'"{name}"', name, url):
        lines = [line.replace(each, "NAME") for line in lines]
    return [re.sub(r"\d+", "n", line) for line in lines]


def test_what_is_not_used_costs_nothing(store: Store) -> None:
    """Of the tables of sharing, one look at an index in LIST, and only where the pattern could show what is shared."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        seen.extend(re.findall(r"(?:FROM|INTO|UPDATE|JOIN) (acl|shared|shared_tree|member|nested)\b", statement))

    async def main(world: World) -> None:
        sharing = Sharing(world)
        name = await sharing.box()
        await sharing.give(name, "lr", who="root")  # others share, and anna does
        own = name.removeprefix(ANNA + "/")
        client = await world.client("1", "anna")
        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            for command, most in (
                (f"SELECT {own}", 0),
                ("NOOP", 0),
                ("FETCH 1 (FLAGS BODY[])", 0),
                ("STORE 1 +FLAGS (\\Flagged $x)", 0),
                ("COPY 1 INBOX", 0),
                (f"APPEND {own} {MESSAGE}", 0),
                ("MOVE 1 INBOX", 0),
                ("STATUS INBOX (MESSAGES)", 0),
                ('LIST "" INBOX', 0),
                ('LIST "" b*', 0),
                ('LIST "" *', 1),
                ('LIST "" % RETURN (STATUS (MESSAGES) MYRIGHTS)', 1),
                ('LSUB "" *', 1),
            ):
                seen.clear()
                await client.ok(command)
                assert len(seen) <= most, (command, seen)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)

    in_world(store, main)


def test_all_letters_are_walked() -> None:
    needed = {letter for letters in (*UNSELECTED.values(), *SELECTED.values()) for letter in letters}
    assert needed == set(LETTERS) - set("cdp")
