"""GETMETADATA, SETMETADATA (RFC 5464 5).

The options of GETMETADATA stand before the mailbox in the grammar, and behind it in an example (4.2.1): either is
taken.  A name that cannot be an entry's is BAD (3.2).
"""

import re

from opostd.imap.limits import MAX_METADATA_ENTRIES
from opostd.imap.values.metadata import Depth, GetMetadata, SetMetadata
from opostd.imap.wire.cursor import Cursor

DEPTHS = {depth.value: depth for depth in Depth}
MAX_NAME_OCTETS = 250  # of an entry's name: those that are registered have under 50
_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^\x00-\x1f/*%\x7f-\xff]+)*", re.IGNORECASE)
_TOPS = frozenset({"/private", "/shared"})  # what is below them can be asked for; they have no value themselves


def parse_getmetadata(args: Cursor) -> GetMetadata:
    """``[SP options] SP mailbox SP (entry / "(" entry *(SP entry) ")")``."""
    options: dict[bytes, int | Depth] = {}
    args.sp()
    if args.peek() == b"(":
        _options(args, options)
        args.sp()
    name = args.mailbox()
    args.sp()
    if args.peek() == b"(" and args.text[args.at + 1 : args.at + 2].isalpha():
        _options(args, options)
        args.sp()
    if args.peek() == b"(":
        at = args.at
        entries = args.list_of(lambda: _entry(args, tops=True))
        if len(entries) > MAX_METADATA_ENTRIES:
            args.fail(f"at most {MAX_METADATA_ENTRIES} entries", at)
    else:
        entries = [_entry(args, tops=True)]
    args.end()
    depth, most = options.get(b"DEPTH", Depth.ENTRY), options.get(b"MAXSIZE")
    assert isinstance(depth, Depth)
    assert not isinstance(most, Depth)
    return GetMetadata(name, tuple(dict.fromkeys(entries)), depth, most)


def _options(args: Cursor, options: dict[bytes, int | Depth]) -> None:
    def option() -> None:
        at = args.at
        word = args.keyword()
        if word in options or word not in (b"DEPTH", b"MAXSIZE"):
            args.fail("DEPTH or MAXSIZE, each once", at)
        at = args.sp().at
        if word == b"MAXSIZE":
            options[word] = args.number()
        else:
            depth = DEPTHS.get(args.keyword())
            if depth is None:
                args.fail("0, 1 or infinity", at)
            options[word] = depth

    args.list_of(option)


def parse_setmetadata(args: Cursor) -> SetMetadata:
    """``SP mailbox SP "(" entry SP value *(SP entry SP value) ")"``; value: a string, NIL or a literal8."""
    name = args.sp().mailbox()
    at = args.sp().at
    values = args.list_of(lambda: (_entry(args), _value(args.sp())))
    if len(values) > MAX_METADATA_ENTRIES:
        args.fail(f"at most {MAX_METADATA_ENTRIES} entries", at)
    args.end()
    return SetMetadata(name, tuple(values))


def parse_entries(args: Cursor) -> tuple[str, ...]:
    """``"(" entry *(SP entry) ")"``, each once: METADATA among the return options of LIST (RFC 9590 5)."""
    at = args.at
    entries = args.list_of(lambda: _entry(args))
    if len(entries) > MAX_METADATA_ENTRIES:
        args.fail(f"at most {MAX_METADATA_ENTRIES} entries", at)
    return tuple(dict.fromkeys(entries))


def _entry(args: Cursor, *, tops: bool = False) -> str:
    at = args.at
    octets = args.astring()
    name = octets.decode("latin-1").lower()
    if len(octets) > MAX_NAME_OCTETS or _ENTRY.fullmatch(octets) is None or (name in _TOPS and not tops):
        args.fail("the name of an entry, such as /private/comment", at)
    return name


def _value(args: Cursor) -> bytes | None:
    return args.message() if args.peek() == b"~" else args.nstring()
