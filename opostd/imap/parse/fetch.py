"""FETCH and UID FETCH (RFC 9051 6.4.5, RFC 3501 6.4.5).

BINARY: RFC 3516; PREVIEW: RFC 8970; modifiers: RFC 4466 2.4, RFC 7162 3.1.4.1, 3.2.6.
"""

import re
from dataclasses import replace
from functools import lru_cache

from opostd.imap.limits import MAX_FETCH_ITEMS, MAX_SECTION_DEPTH
from opostd.imap.parse.partial import parse_partial
from opostd.imap.values.fetch import Fetch, Form, Item, Section, Text
from opostd.imap.values.sets import Partial
from opostd.imap.wire import grammar
from opostd.imap.wire.cursor import Cursor
from opostd.imap.wire.framing import Frame
from opostd.model.errors import BadSyntax
from opostd.model.ids import ModSeq

# A mail program asks for the same items again and again: these lists are parsed once in a process.
KNOWN = 256  # of the programs in use, each with a handful
KNOWN_OCTETS = 512  # the longest seen has 230

MACROS: dict[bytes, tuple[Item | Section, ...]] = {
    b"FAST": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE),
    b"ALL": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE, Item.ENVELOPE),
    b"FULL": (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE, Item.ENVELOPE, Item.BODY),
}
ITEMS: dict[bytes, Item] = {item.value: item for item in Item}
TEXTS: dict[bytes, Text] = {text.value: text for text in Text if text is not Text.WHOLE}

# What stands behind the items: no item ends like that, for its parentheses are within brackets or around all items;
# but for PREVIEW (LAZY).
_MODIFIERS = re.compile(rb" \((?![Ll][Aa][Zz][Yy][ )])[A-Za-z0-9 :,*.-]+\) *\Z")
BINARIES = {
    b"BINARY": (Form.BINARY, False),
    b"BINARY.PEEK": (Form.BINARY, True),
    b"BINARY.SIZE": (Form.BINARY_SIZE, True),
}
"""Name -> form, and whether it is a peek (RFC 3516 4.2)."""

_WORD = re.compile(rb"([A-Za-z0-9.]+)(\[)?")
_LAZY = re.compile(rb" \(LAZY(?: LAZY)*\)", re.IGNORECASE)
_TEXT = re.compile(rb"[A-Za-z.]+")
# A header list as clients write it, of atoms alone; others are read by the cursor.
_FIELDS = re.compile(rb" \(([" + grammar.ATOM_CHARS + rb"]+(?: [" + grammar.ATOM_CHARS + rb"]+)*)\)")


def parse_fetch(args: Cursor, *, by_uid: bool) -> Fetch:
    """``SP sequence-set SP (macro / fetch-att / "(" fetch-att *(SP fetch-att) ")") [SP "(" modifiers ")"]``.

    An item twice is one.
    """
    numbers = args.sp().sequence_set()
    args.sp()
    behind = _MODIFIERS.search(args.text, args.at)
    end = len(args.text) if behind is None else behind.start()
    octets = args.text[args.at : end]
    if len(octets) <= KNOWN_OCTETS and b"{" not in octets:
        try:
            items = _known(octets)
        except BadSyntax:
            items = parse_items(args)  # raises it again, with the offset into the whole command
        else:
            args.at = end
    else:
        items = parse_items(args)
    changedsince, vanished, partial = _modifiers(args, by_uid)
    args.end()
    if changedsince is not None and Item.MODSEQ not in items:
        items = (*items, Item.MODSEQ)  # RFC 7162 3.1.4.1
    return Fetch(numbers, items, by_uid, changedsince, vanished, partial)


@lru_cache(maxsize=KNOWN)
def _known(octets: bytes) -> tuple[Item | Section, ...]:
    args = Cursor(Frame(octets))
    items = parse_items(args)
    args.end()
    return items


def parse_items(args: Cursor) -> tuple[Item | Section, ...]:
    """``macro / fetch-att / "(" fetch-att *(SP fetch-att) ")"``."""
    at = args.at
    if args.peek() != b"(":
        found = _WORD.match(args.text, at)
        if found is not None and (macro := MACROS.get(found[0].upper())) is not None:
            args.at = found.end()
            return macro
        return (_item(args),)
    items = _once(args.list_of(lambda: _item(args)))
    if len(items) > MAX_FETCH_ITEMS:
        args.fail(f"at most {MAX_FETCH_ITEMS} items", at)
    return items


def _modifiers(args: Cursor, by_uid: bool) -> tuple[ModSeq | None, bool, Partial | None]:
    """``[SP "(" fetch-modifier *(SP fetch-modifier) ")"]``: CHANGEDSINCE, whether VANISHED was there, PARTIAL.

    CHANGEDSINCE 0 is accepted: Apple Mail asks so where CONDSTORE is new to an account.  VANISHED belongs to UID
    FETCH with CHANGEDSINCE (RFC 7162 3.2.6), PARTIAL to UID FETCH (RFC 9394 3.3).
    """
    changedsince: ModSeq | None = None
    vanished = False
    partial: Partial | None = None
    if args.peek() != b" " or args.text[args.at + 1 : args.at + 2] != b"(":
        return None, False, None
    at = args.sp().at

    def modifier() -> None:
        nonlocal changedsince, vanished, partial
        at = args.at
        word = args.keyword()
        if word == b"CHANGEDSINCE" and changedsince is None:
            changedsince = args.sp().modseq(zero=True)
        elif word == b"VANISHED":
            vanished = True
        elif word == b"PARTIAL" and partial is None and by_uid:
            partial = parse_partial(args.sp())
        else:
            args.fail("CHANGEDSINCE, VANISHED or, in UID FETCH, PARTIAL, each once", at)

    args.list_of(modifier)
    if vanished and (changedsince is None or not by_uid):
        args.fail("VANISHED in UID FETCH, beside CHANGEDSINCE", at)
    return changedsince, vanished, partial


def _once(items: list[Item | Section]) -> tuple[Item | Section, ...]:
    """Each item once, in the order asked for; BODY[x] beside BODY.PEEK[x] is one item, and sets ``\\Seen``."""
    first: dict[Item | Section, Item | Section] = {}
    for item in items:
        if isinstance(item, Section):
            key = item if item.peek else replace(item, peek=True)
            if key not in first or not item.peek:
                first[key] = item
        else:
            first[item] = item
    if Item.PREVIEW in first:
        first.pop(Item.PREVIEW_LAZY, None)
    return tuple(first.values())


def _item(args: Cursor) -> Item | Section:
    at = args.at
    found = args.match(_WORD, "a FETCH item")
    name, bracket = found[1].upper(), found[2]
    if bracket:
        if name == b"BODY":
            return _section(args, peek=False)
        if name == b"BODY.PEEK":
            return _section(args, peek=True)
        if name in BINARIES:
            return _binary(args, *BINARIES[name])
    else:
        item = ITEMS.get(name)
        if item is not None:
            return Item.PREVIEW_LAZY if item is Item.PREVIEW and _lazy(args) else item
    args.fail("a FETCH item", at)


def _lazy(args: Cursor) -> bool:
    """``[SP "(" "LAZY" *(SP "LAZY") ")"]`` behind PREVIEW (RFC 8970 6)."""
    found = _LAZY.match(args.text, args.at)
    if found is None:
        return False
    args.at = found.end()
    return True


def parse_section(args: Cursor) -> Section:
    """``[section-spec] "]" ["<" number "." nz-number ">"]``, as a peek: of a URL too (RFC 5092 7)."""
    return _section(args, peek=True)


def _section(args: Cursor, *, peek: bool) -> Section:
    """``[section-spec] "]" ["<" number "." nz-number ">"]``, behind the bracket."""
    at = args.at
    path: list[int] = []
    text = Text.WHOLE
    while args.peek().isdigit():
        path.append(args.nz_number())
        if len(path) > MAX_SECTION_DEPTH:
            args.fail(f"at most {MAX_SECTION_DEPTH} part numbers", at)
        if not args.take(b"."):
            break
    else:
        if path or args.peek() != b"]":
            text = _text(args, bool(path))
    fields: tuple[bytes, ...] = ()
    if text is Text.HEADER_FIELDS or text is Text.HEADER_FIELDS_NOT:
        fields = _fields(args)
    args.expect(b"]")
    return Section(tuple(path), text, fields, _partial(args), peek)


def _partial(args: Cursor) -> tuple[int, int] | None:
    if not args.take(b"<"):
        return None
    offset = args.number()
    partial = offset, args.expect(b".").nz_number()
    args.expect(b">")
    return partial


def _binary(args: Cursor, form: Form, peek: bool) -> Section:
    """``[section-part] "]" [partial]``, behind the bracket; the size of a part has no partial (RFC 3516 7)."""
    at = args.at
    path: list[int] = []
    while args.peek() != b"]":
        if path:
            args.expect(b".")
        path.append(args.nz_number())
        if len(path) > MAX_SECTION_DEPTH:
            args.fail(f"at most {MAX_SECTION_DEPTH} part numbers", at)
    args.expect(b"]")
    partial = None if form is Form.BINARY_SIZE else _partial(args)
    return Section(tuple(path), Text.WHOLE, (), partial, peek, form)


def _text(args: Cursor, in_part: bool) -> Text:
    """section-text; MIME is a part's only (RFC 9051 9: section-msgtext, section-text)."""
    at = args.at
    expected = "HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT or TEXT" + (", MIME or a part number" if in_part else "")
    text = TEXTS.get(args.match(_TEXT, expected)[0].upper())
    if text is None or (text is Text.MIME and not in_part):
        args.fail(expected, at)
    return text


def _fields(args: Cursor) -> tuple[bytes, ...]:
    found = _FIELDS.match(args.text, args.at)
    if found is not None:
        args.at = found.end()
        return tuple(found[1].split(b" "))
    return tuple(args.sp().list_of(args.astring))
