"""Reads one whole command, token by token (RFC 9051 9, RFC 3501 9).

Every method takes what it names from where the cursor stands and moves behind it, or raises BadSyntax with the
offset into ``Frame.text`` and what was expected there.  What must stay true: time is linear in the command; no text
reaches ``int`` or a codec before its octets were matched; a literal is taken where its size stands, in order.
"""

import binascii
import datetime
import re
import unicodedata
from collections.abc import Callable
from typing import NoReturn, TypeVar

from opostd.imap.limits import MAX_SET_RANGES
from opostd.imap.values.sets import MAX_MODSEQ, MAX_NUMBER, STAR, Numbers, SavedResult, SequenceSet
from opostd.imap.wire import grammar, mutf7
from opostd.imap.wire.framing import Frame
from opostd.mime.charsets import is_utf8
from opostd.model.errors import BadSyntax
from opostd.model.flags import FLAG_BITS, MAX_KEYWORD_OCTETS, Flags, merge_keywords
from opostd.model.ids import ModSeq

T = TypeVar("T")

DAY_S = 24 * 60 * 60
EPOCH = datetime.date(1970, 1, 1).toordinal()
MONTHS = {name.upper(): number for number, name in enumerate(grammar.MONTHS, 1)}
MAX_DAY = datetime.date.max.toordinal() - EPOCH  # what INTERNALDATE's four digits of a year can say
MIN_DAY = datetime.date.min.toordinal() - EPOCH


class BadCommand(BadSyntax):
    """A command without a name, or with octets that no command has.  tag: as far as it is known, else ``*``."""

    def __init__(self, offset: int, expected: str, tag: bytes) -> None:
        super().__init__(offset, expected)
        self.tag = tag


def command(frame: Frame, *, utf8: bool = False) -> tuple[bytes, bytes, "Cursor"]:
    """Tag, name in upper case (``UID FETCH`` with one space), and a cursor behind the name.  Raises BadCommand.

    utf8: quoted strings may have UTF-8 in them, and mailbox names are UTF-8 (RFC 6855 3).
    """
    text = frame.text
    found = grammar.COMMAND.match(text)
    if found is None or b"\0" in text or text.count(b"\r") != len(frame.literals):
        _refuse(frame, utf8)
    if not text.isascii() and not (utf8 and is_utf8(text)):
        _refuse(frame, utf8)
    tag, name = found.groups()
    name = name.upper()
    end = found.end()
    if name == b"UID":
        found = grammar.UID_COMMAND.match(text, end)
        if found is None:
            raise BadCommand(end, "SP and the command behind UID", tag)
        name, end = b"UID " + found[1].upper(), found.end()
    return tag, name, Cursor(frame, end, utf8)


_BAD_OCTET = re.compile(rb"[\0\x80-\xff]|\r(?!\n)")
_BAD_OCTET_UTF8 = re.compile(rb"\0|\r(?!\n)")


def _refuse(frame: Frame, utf8: bool) -> NoReturn:
    text = frame.text
    found = grammar.TAG_ALONE.match(text)
    tag = found[1] if found is not None else b"*"
    if (bad := (_BAD_OCTET_UTF8 if utf8 else _BAD_OCTET).search(text)) is not None:
        raise BadCommand(bad.start(), ("UTF-8" if utf8 else "7-bit text") + " without NUL and CR", tag)
    if utf8 and not is_utf8(text):
        raise BadCommand(0, "UTF-8", tag)
    if found is None:
        raise BadCommand(0, "a tag, SP and a command", tag)
    raise BadCommand(found.end(), "the name of a command", tag)


def folded_inbox(name: str) -> str:
    """The name with INBOX in capitals, alone or as the first level (RFC 9051 5.1)."""
    return "INBOX" + name[5:] if name[:5].upper() == "INBOX" and name[5:6] in ("", "/") else name


class Cursor:
    """A place in one command.  ``at``: the offset of the next octet; ``utf8``: mailbox names are UTF-8."""

    __slots__ = ("_literals", "_taken", "at", "text", "utf8")

    def __init__(self, frame: Frame, at: int = 0, utf8: bool = False) -> None:
        self.utf8 = utf8
        self.text = frame.text
        self.at = at
        self._literals = frame.literals
        self._taken = 0

    # Any token

    def fail(self, expected: str, at: int | None = None) -> NoReturn:
        """Raises BadSyntax at the cursor, or at an offset that was noted before."""
        raise BadSyntax(self.at if at is None else at, expected)

    def match(self, pattern: re.Pattern[bytes], expected: str) -> re.Match[bytes]:
        """What the expression matches at the cursor."""
        found = pattern.match(self.text, self.at)
        if found is None:
            raise BadSyntax(self.at, expected)
        self.at = found.end()
        return found

    def take(self, octets: bytes) -> bool:
        """Whether these octets come next; if so, they are taken."""
        if self.text.startswith(octets, self.at):
            self.at += len(octets)
            return True
        return False

    def peek(self) -> bytes:
        """The next octet, or none at the end."""
        return self.text[self.at : self.at + 1]

    def expect(self, octets: bytes) -> "Cursor":
        if not self.take(octets):
            self.fail(octets.decode("ascii"))
        return self

    def sp(self) -> "Cursor":
        """One SP.  Returns the cursor, so that ``args.sp().mailbox()`` reads as the grammar does."""
        if self.text[self.at : self.at + 1] != b" ":
            raise BadSyntax(self.at, "SP")
        self.at += 1
        return self

    def end(self) -> None:
        """Nothing more.  Spaces at the end are let pass: old mail programs leave them behind NOOP, SEARCH and FETCH."""
        rest = self.text[self.at :]
        if rest and rest.strip(b" "):
            self.fail("the end of the command")

    def list_of(self, item: Callable[[], T], *, empty: bool = False) -> list[T]:
        """``"(" item *(SP item) ")"``; empty: ``()`` is allowed too."""
        self.expect(b"(")
        if empty and self.take(b")"):
            return []
        items = [item()]
        while not self.take(b")"):
            if self.peek() != b" ":
                self.fail("SP or )")
            self.at += 1
            items.append(item())
        return items

    # Strings

    def atom(self) -> bytes:
        return self.match(grammar.ATOM, "an atom")[0]

    def keyword(self) -> bytes:
        """An atom that is one of the protocol's words: upper case."""
        return self.match(grammar.ATOM, "a word")[0].upper()

    def string(self) -> bytes:
        """A quoted string or a literal."""
        found = grammar.QUOTED.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            octets = found[1]
            return grammar.ESCAPED.sub(rb"\1", octets) if b"\\" in octets else octets
        if self.peek() == b'"':
            self.fail("a quoted string that is well formed")
        at = self.at
        octets = self._literal(grammar.LITERAL, "a string")
        if b"\0" in octets:
            self.fail("a literal without NUL", at)
        return octets

    def astring(self) -> bytes:
        found = grammar.ASTRING_ATOM.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return found[0]
        return self.string()

    def nstring(self) -> bytes | None:
        """A string, or None for NIL."""
        if self.text[self.at : self.at + 3].upper() == b"NIL":
            self.at += 3
            return None
        return self.string()

    def message(self) -> bytes:
        """The literal of an APPEND, NUL and all: what a message may hold is not the grammar's business."""
        return self._literal(grammar.LITERAL8, "a literal")

    def _literal(self, size: re.Pattern[bytes], expected: str) -> bytes:
        self.match(size, expected)
        self._taken += 1
        return self._literals[self._taken - 1]

    def text_of(self, read: Callable[[], bytes], expected: str) -> str:
        """What ``read`` takes, decoded from UTF-8."""
        at = self.at
        try:
            return read().decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{expected} in UTF-8", at)

    def base64(self) -> bytes:
        """base64 with its padding and no bits left over (RFC 4648 3.5), decoded; empty where there is none."""
        at = self.at
        octets = self.match(grammar.BASE64, "base64")[0]
        decoded = binascii.a2b_base64(octets)
        if binascii.b2a_base64(decoded, newline=False) != octets:
            self.fail("base64", at)
        return decoded

    # Mailbox names

    def mailbox(self) -> str:
        """A mailbox name, decoded; INBOX in any case is ``INBOX``, also as the first level of a name."""
        return self._name(self.astring)

    def list_mailbox(self) -> str:
        """A LIST pattern, decoded as a name, wildcards as they are."""
        return self._name(self._list_mailbox)

    def _list_mailbox(self) -> bytes:
        found = grammar.LIST_MAILBOX.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return found[0]
        return self.string()

    def _name(self, read: Callable[[], bytes]) -> str:
        at = self.at
        try:
            name = mutf7.plain(read()) if self.utf8 else mutf7.decode(read())
            # One name in two forms of Unicode is one name, and none is made that is not NFC (RFC 9051 5.1)
            name = name if name.isascii() else unicodedata.normalize("NFC", name)
        except mutf7.BadMailboxName:
            self.fail("a mailbox name in " + ("UTF-8" if self.utf8 else "modified UTF-7"), at)
        return folded_inbox(name)

    # Numbers

    def number(self) -> int:
        """0 to 2**32-1."""
        return self._bounded(grammar.NUMBER, "a number")

    def nz_number(self) -> int:
        """1 to 2**32-1."""
        return self._bounded(grammar.NZ_NUMBER, "a number from 1")

    def _bounded(self, pattern: re.Pattern[bytes], expected: str) -> int:
        at = self.at
        number = int(self.match(pattern, expected)[0])
        if number > MAX_NUMBER:
            self.fail("a number below 2**32", at)
        return number

    def modseq(self, *, zero: bool = False) -> ModSeq:
        """A mod-sequence-value: 1 to 2**63-1; zero: a mod-sequence-valzer, which may be 0 (RFC 7162 7)."""
        at = self.at
        number = int(self.match(grammar.NUMBER64, "a mod-sequence")[0])
        if number > MAX_MODSEQ or not (number or zero):
            self.fail("a mod-sequence from " + ("0" if zero else "1") + " and below 2**63", at)
        return ModSeq(number)

    def known_set(self) -> SequenceSet:
        """A sequence-set without ``*`` and ``$`` (RFC 7162 7: known-uids, known-sequence-set, known-uid-set)."""
        at = self.at
        numbers = self.sequence_set()
        if isinstance(numbers, SavedResult) or any(STAR in each for each in numbers.ranges):
            self.fail("a sequence-set without *", at)
        return numbers

    def sequence_set(self) -> Numbers:
        """A sequence-set, or ``$``; ranges stay as they are written."""
        if self.take(b"$"):
            return SavedResult()
        at = self.at
        octets = self.match(grammar.SEQUENCE_SET, "a sequence-set")[0]
        pieces = octets.split(b",")
        if len(pieces) > MAX_SET_RANGES:
            self.fail(f"a sequence-set of at most {MAX_SET_RANGES} ranges", at)
        ranges: list[tuple[int, int]] = []
        for piece in pieces:
            first, _, last = piece.partition(b":")
            start = STAR if first == b"*" else int(first)
            stop = (STAR if last == b"*" else int(last)) if last else start
            if start > MAX_NUMBER or stop > MAX_NUMBER:
                self.fail("numbers below 2**32", at)
            ranges.append((start, stop))
        return SequenceSet(tuple(ranges))

    # Flags

    def flag(self) -> bytes:
        """One flag as written: a system flag that a client may set, or a keyword."""
        at = self.at
        flag = self.match(grammar.FLAG, "a flag")[0]
        if flag[0] == 0x5C and flag.lower() not in FLAG_BITS:  # "\": no flags but those of RFC 9051 2.3.2 are kept
            self.fail("one of \\Answered \\Flagged \\Deleted \\Seen \\Draft, or a keyword", at)
        if len(flag) > MAX_KEYWORD_OCTETS:
            self.fail(f"a keyword of at most {MAX_KEYWORD_OCTETS} octets", at)
        return flag

    def flag_list(self) -> Flags:
        """``"(" [flag *(SP flag)] ")"``."""
        return flags_of(self.list_of(self.flag, empty=True))

    # Dates

    def date(self) -> int:
        """A date, quoted or not: days since 1970-01-01."""
        quoted = self.take(b'"')
        at = self.at
        day, month, year = self.match(grammar.DATE, "a date such as 1-Feb-1994").groups()
        if quoted:
            self.expect(b'"')
        return self._day(day, month, year, at)

    def date_time(self) -> int:
        """A date-time: seconds since 1970 UTC, of the years 1 to 9999."""
        at = self.at
        found = self.match(grammar.DATE_TIME, 'a date-time such as "17-Jul-1996 02:44:25 -0700"')
        day, month, year, hour, minute, second, sign, zone_hour, zone_minute = found.groups()
        # A leap second is one more than 59.
        if int(hour) > 23 or int(minute) > 59 or int(second) > 60 or int(zone_hour) > 23 or int(zone_minute) > 59:
            self.fail("a time of day and a zone that exist", at)
        east = (int(zone_hour) * 60 + int(zone_minute)) * 60 * (-1 if sign == b"-" else 1)
        seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
        moment = self._day(day, month, year, at) * DAY_S + seconds - east
        if not MIN_DAY * DAY_S <= moment < (MAX_DAY + 1) * DAY_S:
            self.fail("a date of the years 1 to 9999", at)
        return moment

    def _day(self, day: bytes, month: bytes, year: bytes, at: int) -> int:
        try:
            return datetime.date(int(year), MONTHS[month.upper()], int(day)).toordinal() - EPOCH
        except (KeyError, ValueError):
            self.fail("a date that exists", at)


def flags_of(written: list[bytes]) -> Flags:
    """Flags as ``Cursor.flag`` gives them, each once whatever its case."""
    bits = 0
    keywords = []
    for flag in written:
        bit = FLAG_BITS.get(flag.lower())
        if bit is None:
            keywords.append(flag.decode("ascii"))
        else:
            bits |= bit
    return Flags(bits, merge_keywords(keywords))
