"""Commands as a client would write them, from their values: the other direction of the parsers, for properties."""

import datetime

from opostd.imap.format.fetch import section_label
from opostd.imap.format.sets import format_sequence_set
from opostd.imap.format.strings import string
from opostd.imap.values import search
from opostd.imap.values.commands import List
from opostd.imap.values.fetch import Fetch, Form, Item, Section
from opostd.imap.values.sets import Numbers, SequenceSet
from opostd.imap.wire import mutf7
from opostd.model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN

FLAG_KEYS = {ANSWERED: b"ANSWERED", DELETED: b"DELETED", DRAFT: b"DRAFT", FLAGGED: b"FLAGGED", SEEN: b"SEEN"}


def write_set(numbers: Numbers) -> bytes:
    return format_sequence_set(numbers) if isinstance(numbers, SequenceSet) else b"$"


def write_string(octets: bytes) -> bytes:
    """Always with quotes, or as a literal that does not wait."""
    written = string(octets)
    return b"{%d+}\r\n%b" % (len(octets), octets) if written[:1] == b"{" else written


def write_section(section: Section) -> bytes:
    label = section_label(section)
    if section.partial is not None:
        label = label.removesuffix(b">") + b".%d>" % section.partial[1]
    if section.form is Form.BINARY_SIZE or not section.peek:
        return label
    return label.replace(b"[", b".PEEK[", 1)


def write_fetch(command: Fetch) -> bytes:
    items = [item.value if isinstance(item, Item) else write_section(item) for item in command.items]
    return b" " + write_set(command.numbers) + b" (" + b" ".join(items) + b")"


def write_list(command: List) -> bytes:
    words = [b""]
    if command.select:
        words.append(b"(" + " ".join(sorted(command.select)).encode() + b")")
    words.append(write_string(mutf7.encode(command.reference)))
    patterns = [write_string(mutf7.encode(pattern)) for pattern in command.patterns]
    words.append(patterns[0] if len(patterns) == 1 else b"(" + b" ".join(patterns) + b")")
    if command.returns or command.status:
        returns = [option.encode() for option in sorted(command.returns)]
        if command.status:
            returns.append(b"STATUS (" + b" ".join([item.value for item in command.status]) + b")")
        words.append(b"RETURN (" + b" ".join(returns) + b")")
    return b" ".join(words)


def write_key(key: search.Key) -> bytes:
    """One search-key; an And in parentheses."""
    match key:
        case search.All():
            return b"ALL"
        case search.HasFlag(bit, set_):
            return (b"" if set_ else b"UN") + FLAG_KEYS[bit]
        case search.HasKeyword(keyword, set_):
            return (b"KEYWORD " if set_ else b"UNKEYWORD ") + keyword.encode()
        case search.Recent(recent):
            return b"RECENT" if recent else b"OLD"
        case search.Dated(field, order, day):
            prefix = {search.DateField.SENT: "SENT", search.DateField.SAVED: "SAVED"}.get(field, "")
            name = prefix + order.value.upper()
            date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
            return f"{name} {date.day}-{date:%b}-{date.year:04d}".encode()
        case search.Aged(seconds, older):
            return (b"OLDER %d" if older else b"YOUNGER %d") % seconds
        case search.Larger(octets):
            return b"LARGER %d" % octets
        case search.Smaller(octets):
            return b"SMALLER %d" % octets
        case search.Header(field, value):
            return b"HEADER " + write_string(field) + b" " + write_string(value.encode())
        case search.Body(value):
            return b"BODY " + write_string(value.encode())
        case search.InText(value):
            return b"TEXT " + write_string(value.encode())
        case search.EmailId(objectid):
            return b"EMAILID " + objectid
        case search.ThreadId(objectid):
            return b"THREADID " + objectid
        case search.Modified(modseq):
            return b"MODSEQ %d" % modseq
        case search.SeqNumbers(numbers):
            return write_set(numbers)
        case search.Uids(numbers):
            return b"UID " + write_set(numbers)
        case search.Not(inner):
            return b"NOT " + write_key(inner)
        case search.Or(left, right):
            return b"OR " + write_key(left) + b" " + write_key(right)
        case search.And(keys):
            return b"(" + b" ".join(map(write_key, keys)) + b")"
