"""SEARCH and UID SEARCH: every key of RFC 3501 6.4.4, which are those of RFC 9051 6.4.4 with NEW, OLD and RECENT.

RETURN: RFC 4731 3.1, RFC 5182; OLDER, YOUNGER: RFC 5032.

What must stay true: depth and number of keys are limited here, so that whoever walks the tree may recurse.
"""

import re
from collections.abc import Callable

from opostd.imap.limits import MAX_SEARCH_DEPTH, MAX_SEARCH_KEYS
from opostd.imap.parse.partial import parse_partial
from opostd.imap.values.search import (
    ALL_OF_THEM,
    Aged,
    All,
    And,
    Body,
    Dated,
    DateField,
    EmailId,
    HasFlag,
    HasKeyword,
    Header,
    InText,
    Key,
    Larger,
    Modified,
    Not,
    Option,
    Or,
    Order,
    Recent,
    Returns,
    Search,
    SeqNumbers,
    Smaller,
    ThreadId,
    Uids,
)
from opostd.imap.values.sets import Partial
from opostd.imap.wire import grammar
from opostd.imap.wire.cursor import Cursor
from opostd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

CHARSETS = {
    "US-ASCII": "ascii",
    "UTF-8": "utf-8",
    "ISO-8859-1": "iso8859-1",
    "ISO-8859-2": "iso8859-2",
    "ISO-8859-15": "iso8859-15",
    "WINDOWS-1250": "cp1250",
    "WINDOWS-1251": "cp1251",
    "WINDOWS-1252": "cp1252",
    "KOI8-R": "koi8-r",
    "BIG5": "big5",
    "EUC-JP": "euc-jp",
    "EUC-KR": "euc-kr",
    "GB2312": "gb2312",
    "GB18030": "gb18030",
    "ISO-2022-JP": "iso2022-jp",
    "SHIFT_JIS": "shift-jis",
}
"""IANA name -> Python codec: the only codecs that a client can choose (security.md 1.3).  The first two are a must
(RFC 9051 6.4.4); mail programs of the others' regions send them."""

DEFAULT_CHARSET = "UTF-8"  # RFC 9051 6.4.4; US-ASCII, RFC 3501's, is a part of it

_WORD = re.compile(rb"[A-Za-z]+")

OPTIONS = {option.value: option for option in Option}

BARE_KEYS: dict[bytes, Key] = {
    b"ALL": All(),
    b"ANSWERED": HasFlag(ANSWERED, True),
    b"DELETED": HasFlag(DELETED, True),
    b"DRAFT": HasFlag(DRAFT, True),
    b"FLAGGED": HasFlag(FLAGGED, True),
    b"SEEN": HasFlag(SEEN, True),
    b"UNANSWERED": HasFlag(ANSWERED, False),
    b"UNDELETED": HasFlag(DELETED, False),
    b"UNDRAFT": HasFlag(DRAFT, False),
    b"UNFLAGGED": HasFlag(FLAGGED, False),
    b"SAVEDATESUPPORTED": All(),
    b"UNSEEN": HasFlag(SEEN, False),
    b"RECENT": Recent(True),
    b"OLD": Recent(False),
    b"NEW": And((Recent(True), HasFlag(SEEN, False))),
}


def parse_search(args: Cursor, *, by_uid: bool) -> Search:
    """``[SP "RETURN" SP "(" [option *(SP option)] ")"] [SP "CHARSET" SP charset] 1*(SP search-key)``.

    Several keys are an And.  A charset that is not known is no error here: a SEARCH with SAVE that is refused for it
    changes what is saved, one with a mistake in it does not (RFC 5182 2.1).
    """
    args.sp()
    returns = parse_returns(args)
    charset: str | None = None
    if next_word(args, b"CHARSET "):
        charset = parse_charset(args)
        args.sp()
    return Search(parse_keys(args, charset), by_uid, charset, returns)


def parse_returns(args: Cursor) -> Returns | None:
    """``"RETURN" SP "(" ... ")" SP`` where it stands, else None."""
    if not next_word(args, b"RETURN "):
        return None
    options: set[Option] = set()
    partial: Partial | None = None
    at = args.at

    def read() -> None:
        nonlocal partial
        at = args.at
        word = args.keyword()
        if word == b"PARTIAL" and partial is None:
            partial = parse_partial(args.sp())
        elif (option := OPTIONS.get(word)) is not None:
            options.add(option)
        else:
            args.fail("one of MIN, MAX, ALL, COUNT, SAVE, and PARTIAL once", at)

    args.list_of(read, empty=True)
    if partial is not None and Option.ALL in options:
        args.fail("ALL or PARTIAL, not both", at)
    args.sp()
    return Returns(frozenset(options), partial) if options or partial is not None else ALL_OF_THEM


def next_word(args: Cursor, word: bytes) -> bool:
    """Whether that word, upper case, comes next; if so, it is taken."""
    if args.text[args.at : args.at + len(word)].upper() != word:
        return False
    args.at += len(word)
    return True


def parse_charset(args: Cursor) -> str:
    """The name of a charset, upper case; whether it is known is asked later."""
    return args.astring().upper().decode("ascii", "replace")


def parse_keys(args: Cursor, charset: str | None) -> Key:
    """``search-key *(SP search-key)`` to the end of the command."""
    return _Keys(args, charset).all_to_the_end()


class _Keys:
    """Reads search keys of one command, counting them."""

    def __init__(self, args: Cursor, charset: str | None) -> None:
        self._args = args
        self._charset = charset or DEFAULT_CHARSET
        self._codec = CHARSETS.get(self._charset, "latin-1")  # any octets, for the command will be refused
        self._count = 0
        self._depth = 0

    def all_to_the_end(self) -> Key:
        keys = [self.key()]
        while self._args.take(b" ") and self._args.peek() not in (b"", b" "):
            keys.append(self.key())
        self._args.end()
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def key(self) -> Key:
        """One search-key, with all that is within it."""
        args = self._args
        at = args.at
        self._count += 1
        if self._count > MAX_SEARCH_KEYS:
            args.fail(f"at most {MAX_SEARCH_KEYS} search keys", at)
        first = args.peek()
        if first == b"(":
            return self._deeper(self._list)
        if first.isdigit() or first in (b"*", b"$"):
            return SeqNumbers(args.sequence_set())
        word = args.match(_WORD, "a search key")[0].upper()
        if (bare := BARE_KEYS.get(word)) is not None:
            return bare
        read = ARGUMENT_KEYS.get(word)
        if read is None:
            args.fail("a search key", at)
        args.sp()
        return read(self)

    def _deeper(self, read: Callable[[], Key]) -> Key:
        if self._depth == MAX_SEARCH_DEPTH:
            self._args.fail(f"search keys nested at most {MAX_SEARCH_DEPTH} deep")
        self._depth += 1
        key = read()
        self._depth -= 1
        return key

    def _list(self) -> Key:
        keys = self._args.list_of(self.key)
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def negated(self) -> Key:
        return self._deeper(lambda: Not(self.key()))

    def either(self) -> Key:
        return self._deeper(self._either)

    def _either(self) -> Key:
        left = self.key()
        self._args.sp()
        return Or(left, self.key())

    def string(self) -> str:
        at = self._args.at
        try:
            return self._args.astring().decode(self._codec)
        except UnicodeError:
            self._args.fail(f"text in {self._charset}", at)

    def header(self) -> Key:
        field = self._args.astring().lower()
        self._args.sp()
        return Header(field, self.string())

    def keyword(self, set_: bool) -> Key:
        return HasKeyword(self._args.atom().decode("ascii"), set_)

    def date(self, field: DateField, order: Order) -> Key:
        return Dated(field, order, self._args.date())

    def number(self) -> int:
        return self._args.number()

    def aged(self, older: bool) -> Key:
        return Aged(self._args.nz_number(), older)

    def modified(self) -> Key:
        """``[entry-name SP entry-type-req SP] mod-sequence-valzer``: there is one modseq for all flags of a message."""
        if self._args.peek() == b'"':
            self._args.string()
            at = self._args.sp().at
            if self._args.keyword() not in (b"PRIV", b"SHARED", b"ALL"):
                self._args.fail("priv, shared or all", at)
            self._args.sp()
        return Modified(self._args.modseq(zero=True))

    def objectid(self) -> bytes:
        return self._args.match(grammar.OBJECTID, "an object identifier")[0]

    def uids(self) -> Key:
        return Uids(self._args.sequence_set())


def _header_key(field: bytes) -> Callable[[_Keys], Key]:
    return lambda keys: Header(field, keys.string())


def _date_key(field: DateField, order: Order) -> Callable[[_Keys], Key]:
    return lambda keys: keys.date(field, order)


ARGUMENT_KEYS: dict[bytes, Callable[[_Keys], Key]] = {
    **{name.upper(): _header_key(name) for name in (b"from", b"to", b"cc", b"bcc", b"subject")},
    **{order.value.upper().encode(): _date_key(DateField.INTERNAL, order) for order in Order},
    **{b"SENT" + order.value.upper().encode(): _date_key(DateField.SENT, order) for order in Order},
    **{b"SAVED" + order.value.upper().encode(): _date_key(DateField.SAVED, order) for order in Order},
    b"EMAILID": lambda keys: EmailId(keys.objectid()),
    b"THREADID": lambda keys: ThreadId(keys.objectid()),
    b"HEADER": _Keys.header,
    b"BODY": lambda keys: Body(keys.string()),
    b"TEXT": lambda keys: InText(keys.string()),
    b"KEYWORD": lambda keys: keys.keyword(True),
    b"UNKEYWORD": lambda keys: keys.keyword(False),
    b"OLDER": lambda keys: keys.aged(True),
    b"YOUNGER": lambda keys: keys.aged(False),
    b"LARGER": lambda keys: Larger(keys.number()),
    b"SMALLER": lambda keys: Smaller(keys.number()),
    b"MODSEQ": _Keys.modified,
    b"UID": _Keys.uids,
    b"NOT": _Keys.negated,
    b"OR": _Keys.either,
}
