"""STORE and UID STORE (RFC 9051 6.4.6; UNCHANGEDSINCE: RFC 7162 3.1.3)."""

from opostd.imap.values.commands import Store
from opostd.imap.wire.cursor import Cursor, flags_of
from opostd.model.flags import FlagAction
from opostd.model.ids import ModSeq

ACTIONS = {action.value.encode("ascii"): action for action in FlagAction}


def parse_store(args: Cursor, *, by_uid: bool) -> Store:
    """``SP sequence-set [store-modifiers] SP ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))``."""
    numbers = args.sp().sequence_set()
    unchangedsince: ModSeq | None = None
    at = args.sp().at
    if args.take(b"("):
        if args.keyword() != b"UNCHANGEDSINCE":
            args.fail("UNCHANGEDSINCE", at + 1)
        unchangedsince = args.sp().modseq(zero=True)
        at = args.expect(b")").sp().at
    word = args.keyword()
    action = ACTIONS.get(word.removesuffix(b".SILENT"))
    if action is None:
        args.fail("FLAGS, +FLAGS or -FLAGS, with or without .SILENT", at)
    args.sp()
    if args.peek() == b"(":
        flags = args.flag_list()
    else:
        written = [args.flag()]
        while args.take(b" ") and args.peek() not in (b"", b" "):
            written.append(args.flag())
        flags = flags_of(written)
    args.end()
    return Store(numbers, action, flags, word.endswith(b".SILENT"), by_uid, unchangedsince)
