"""Asks our server and Dovecot the same of every message of the corpus, and lists where they answer otherwise.

    python -m tests.mime.against_dovecot                 what corpus/DIFFERENCES does not have, or has no more; status 1
    python -m tests.mime.against_dovecot --show NAME     every answer of one message that differs, both octets
    python -m tests.mime.against_dovecot --write         DIFFERENCES anew; what is new in it has the reason "?"
    python -m tests.mime.against_dovecot --folder DIR    messages of another folder, all that differs

Over real connections to a real daemon (tests/support/daemon) and to Debian's dovecot-imapd (tests/support/dovecot), so
that what is compared is what a client gets: RFC822.SIZE, ENVELOPE, BODY, BODYSTRUCTURE, and for each part, and for one
that is not there, its octets, MIME, HEADER, TEXT, a partial, BINARY and BINARY.SIZE.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.mime.differences import CORPUS, read_known, write_known
from tests.support import dovecot
from tests.support.daemon import start_daemon
from tests.support.imap_values import Client, Value

WHOLE = (
    "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822", "RFC822.HEADER", "RFC822.TEXT",
    "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<7.50>", "BODY.PEEK[TEXT]<3.90>", "BODY.PEEK[]<9999999.5>",
    "BODY.PEEK[HEADER.FIELDS (From Subject Content-Type)]", "BODY.PEEK[HEADER.FIELDS.NOT (From Subject)]",
    "BODY.PEEK[HEADER.FIELDS (X-Nowhere)]", "BINARY.PEEK[]", "BINARY.SIZE[]",
)  # fmt: skip
MESSAGES = ([b"message", b"rfc822"], [b"message", b"global"])
MAX_DEPTH = 6
MAX_PARTS = 40  # of one message; more of the same tell nothing


class Difference(NamedTuple):
    """What is answered otherwise, and the reason where a rule has it ("" where none has)."""

    here: Value
    there: Value
    reason: str


def parts(structure: Value, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], str]]:
    """Each part of a BODYSTRUCTURE with what it is: leaf, multipart, message; also one past the last: missing."""
    assert isinstance(structure, list)
    if _is_multipart(structure):
        count = next((at for at, each in enumerate(structure) if not isinstance(each, list)), len(structure))
        for number, child in enumerate(structure[:count], 1):
            yield from _part(child, (*path, number))
        yield (*path, count + 1), "missing"
    else:
        yield from _part(structure, (*path, 1))
        if not path:
            yield (2,), "missing"


def _part(part: Value, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    assert isinstance(part, list)
    if _is_multipart(part):
        yield path, "multipart"
        yield from parts(part, path)
    elif [each.lower() for each in part[:2] if isinstance(each, bytes)] in MESSAGES:
        yield path, "message"
        yield from parts(part[8], path)
    else:
        yield path, "leaf"


def _is_multipart(structure: list[Value]) -> bool:
    return bool(structure) and isinstance(structure[0], list)


def sections(path: tuple[int, ...], kind: str) -> Iterator[str]:
    name = ".".join(map(str, path))
    yield from (f"BODY.PEEK[{name}]", f"BODY.PEEK[{name}.MIME]", f"BODY.PEEK[{name}]<2.17>")
    yield from (f"BINARY.PEEK[{name}]", f"BINARY.SIZE[{name}]", f"BINARY.PEEK[{name}]<1.9>")
    if kind == "message":
        yield from (f"BODY.PEEK[{name}.{word}]" for word in ("HEADER", "TEXT", "HEADER.FIELDS (Subject)"))


def compare(ours: Client, other: Client, number: int) -> dict[str, Difference]:
    """What is answered otherwise for one message, by item."""
    structure = ours.fetch(number, ["BODYSTRUCTURE"])["BODYSTRUCTURE"]
    found = [each for each in parts(structure) if len(each[0]) <= MAX_DEPTH][:MAX_PARTS]
    kinds = dict.fromkeys(WHOLE, "message") | {item: kind for path, kind in found for item in sections(path, kind)}
    here, there = ours.fetch(number, kinds), other.fetch(number, kinds)
    for item, octets in here.items():  # what Dovecot says of sizes is not always so
        if isinstance(octets, bytes) and (size := here.get(item.replace("BINARY.PEEK", "BINARY.SIZE"))) != octets:
            assert size is None or size == len(octets), (number, item)
    return {
        item: Difference(here[item], there[item], rule(item, kind, here[item], there[item]))
        for item, kind in kinds.items()
        if here[item] != there[item]
    }


def rule(item: str, kind: str, here: Value, there: Value) -> str:
    """The reason for what is the same in every message, by its name in DIFFERENCES; "" for none."""
    if here is None and there == b"":
        return "not-there"
    if item.startswith("BINARY") and kind in ("message", "multipart"):
        return "parts-stay-encoded"
    if isinstance(here, bytes) and isinstance(there, bytes):
        if there == here + b"\r\n":
            return "line-end-of-delimiter"
        if here == there + b"\r\n" and (".MIME" in item or "HEADER" in item):
            return "header-end"
    return ""


@contextmanager
def both() -> Iterator[tuple[Client, Client]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "dovecot").mkdir()
        (folder / "opostd").mkdir()
        daemon = start_daemon(folder / "opostd")
        try:
            with (
                dovecot.running(folder / "dovecot") as port,
                Client(daemon.ports["imap"], "test", "deadbeef") as ours,
                Client(port, dovecot.USER, dovecot.PASSWORD) as other,
            ):
                yield ours, other
        finally:
            daemon.stop()


def differences(folder: Path) -> dict[tuple[str, str], Difference]:
    """By message and item."""
    found = {}
    with both() as (ours, other):
        messages = sorted(folder.glob("*.eml"))
        for client in (ours, other):
            client.command("CREATE Corpus")
            for path in messages:
                client.append("Corpus", path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            client.select("Corpus")
        for number, path in enumerate(messages, 1):
            for item, difference in compare(ours, other, number).items():
                found[path.stem, item] = difference
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", metavar="NAME")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folder", type=Path, default=CORPUS)
    given = parser.parse_args()
    every = differences(given.folder)
    found = {key: each for key, each in every.items() if not each.reason}
    reasons, listed = read_known()
    if given.write:
        write_known(reasons, {key: listed.get(key, "?") for key in found})
        return 0
    if given.show:
        shown = {key for key in every if key[0] == given.show}
    elif given.folder == CORPUS:
        shown = listed.keys() ^ found.keys()
    else:
        shown = set(found)
    for name, item in sorted(shown):
        here, there, reason = every.get((name, item), Difference([b"listed, and"], [b"the same"], ""))
        print(f"{name} {item} {reason}\n  here:    {here!r}\n  Dovecot: {there!r}")
    count = len(list(given.folder.glob("*.eml")))
    print(f"{count} messages; {len(every)} answers differ, {len(every) - len(found)} of them by a rule")
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main())
