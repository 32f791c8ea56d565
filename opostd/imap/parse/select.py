"""SELECT, EXAMINE (RFC 9051 6.3.2, 6.3.3) and their parameters (RFC 4466 2.1; RFC 7162 3.1.8, 3.2.5)."""

from opostd.imap.values.commands import Resync, Select
from opostd.imap.values.sets import SequenceSet
from opostd.imap.wire.cursor import Cursor


def parse_select(args: Cursor) -> Select:
    """``SP mailbox [SP "(" select-param *(SP select-param) ")"]``."""
    name = args.sp().mailbox()
    condstore = False
    resync: Resync | None = None
    if args.take(b" ") and args.peek() not in (b"", b" "):

        def parameter() -> None:
            nonlocal condstore, resync
            at = args.at
            word = args.keyword()
            if word == b"CONDSTORE":
                condstore = True
            elif word == b"QRESYNC" and resync is None:
                resync = _resync(args.sp())
            else:
                args.fail("CONDSTORE or QRESYNC, each once", at)

        args.list_of(parameter)
    args.end()
    return Select(name, condstore, resync)


def _resync(args: Cursor) -> Resync:
    """``"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"``."""
    uidvalidity = args.expect(b"(").nz_number()
    modseq = args.sp().modseq()
    known: SequenceSet | None = None
    match: tuple[SequenceSet, SequenceSet] | None = None
    if args.take(b" "):
        if args.peek() != b"(":
            known = args.known_set()
        if known is None or args.take(b" "):
            match = _match(args)
    args.expect(b")")
    return Resync(uidvalidity, modseq, known, match)


def _match(args: Cursor) -> tuple[SequenceSet, SequenceSet]:
    """``"(" known-sequence-set SP known-uid-set ")"``: as many of one as of the other."""
    at = args.expect(b"(").at
    numbers = args.known_set()
    uids = args.sp().known_set()
    if _count(numbers) != _count(uids):
        args.fail("as many sequence numbers as UIDs", at)
    args.expect(b")")
    return numbers, uids


def _count(numbers: SequenceSet) -> int:
    return sum(abs(last - first) + 1 for first, last in numbers.ranges)
