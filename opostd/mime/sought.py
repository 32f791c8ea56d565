"""What SEARCH, SORT and THREAD look at in a message (RFC 9051 6.4.4, RFC 5256, RFC 5957), computed at acceptance.

Texts are as i;unicode-casemap compares them.  ``head`` has a line for each header field: LF, the name, a colon, a
space, the decoded value; a value has no line end, so that LF and a name find a field and nothing else.
"""

import re

from opostd.mime.addresses import Address
from opostd.mime.casemap import casemap
from opostd.mime.charsets import clean_line
from opostd.mime.dates import sent
from opostd.mime.envelope import Header
from opostd.mime.headers import decode_words, unfolded
from opostd.mime.scan import MAX_HEADER_OCTETS, scan
from opostd.mime.subject import base_subject
from opostd.mime.text import search_text
from opostd.model.records import Sought

MAX_HEAD = 512 * 1024  # characters: encoded words may say more than the header has octets
MAX_SORT_KEY = 1000  # characters that are compared; two names that differ only after them are not told apart
MAX_REFERENCES = 1000  # message ids of one message: the longest threads that people write are a tenth of it
MAX_MESSAGE_ID = 998  # RFC 5322 2.1.1: a line

_MSG_ID = re.compile(rb'<\s*+(?:"((?:[^"\\\r\n]++|\\.)*)"@([^<>\s]++)|([^<>\s]++))\s*+>')
_ESCAPED = re.compile(rb"\\(.)")
_CONTROLS = bytes({*range(32), 127} - {10})


def sought(header: bytes) -> Sought:
    """header: the block of the message, of which MAX_HEADER_OCTETS are looked at."""
    return sought_of(header[:MAX_HEADER_OCTETS], Header(header[:MAX_HEADER_OCTETS]))


def of_message(raw: bytes) -> tuple[Sought, str]:
    """With the text that SEARCH BODY looks in: for a message whose row is not there."""
    tree = scan(raw)
    return sought(raw[: tree.parts[0].body]), search_text(raw, tree)


def sought_of(block: bytes, read: Header) -> Sought:
    """The same, where the header has been read already."""
    lists, texts = read.lists, read.texts
    date = sent(texts.get(b"date", b""))
    subject = base_subject(decode_words(texts.get(b"subject", b"")))
    return Sought(
        sent=None if date is None else date.seconds,
        subject=_key(subject.text),
        reply=subject.reply,
        sender=_mailbox(lists.get(b"from")),
        to=_mailbox(lists.get(b"to")),
        cc=_mailbox(lists.get(b"cc")),
        sender_display=_display(lists.get(b"from")),
        to_display=_display(lists.get(b"to")),
        references=_references(texts),
        head=_head(block),
    )


def _key(text: str) -> str:
    return casemap(text[:MAX_SORT_KEY])[:MAX_SORT_KEY]


def _mailbox(entries: list[Address] | None) -> str:
    """addr-mailbox of the first address, as ENVELOPE has it: of a group its name."""
    return _key(decode_words(entries[0].mailbox or b"")) if entries else ""


def _display(entries: list[Address] | None) -> str:
    """RFC 5957 3: the name, else ``mailbox@host``, else the mailbox."""
    if not entries:
        return ""
    name, _, mailbox, host = entries[0]
    shown = decode_words(name) if name else ""
    if not shown and mailbox is not None:
        shown = decode_words(mailbox if host is None else mailbox + b"@" + host)
    return _key(shown)


def _references(texts: dict[bytes, bytes]) -> str:
    """The own message id, or an empty line, then those of References, else the first of In-Reply-To; a line each."""
    own = _ids(texts.get(b"message-id", b""))[:1] or [""]
    named = _ids(texts.get(b"references", b"")) or _ids(texts.get(b"in-reply-to", b""))[:1]
    if len(named) > MAX_REFERENCES:
        named = named[:1] + named[1 - MAX_REFERENCES :]
    return "\n".join(own + named)


def _ids(value: bytes) -> list[str]:
    """Message ids, quotes undone: ``<"a"@b>`` is ``<a@b>`` (RFC 5256 3)."""
    found = []
    for match in _MSG_ID.finditer(value):
        quoted, host, plain = match.groups()
        id_ = plain if quoted is None else _ESCAPED.sub(rb"\1", quoted) + b"@" + host
        found.append(id_[:MAX_MESSAGE_ID].decode("latin-1").replace("\0", "\ufffd"))
    return found


def _head(block: bytes) -> str:
    """Plain ASCII, which most fields are, goes through together; a line ends nothing that casemap would join."""
    pieces: list[str] = []
    plain: list[bytes] = []
    for _, name, value in unfolded(block):
        line = b"\n%b: %b" % (name, value)
        if line.isascii() and b"=?" not in line:
            plain.append(line)
            continue
        pieces.append(_plain_lines(plain))
        plain = []
        pieces.append(casemap(f"\n{name.decode('latin-1')}: {decode_words(value)}"[:MAX_HEAD]))
    pieces.append(_plain_lines(plain))
    return "".join(pieces)[:MAX_HEAD]


def _plain_lines(lines: list[bytes]) -> str:
    """Lines of ASCII, each with its LF before it, as ``clean_line`` and ``casemap`` have them."""
    octets = b"".join(lines)
    if b"\t" in octets:
        while b"\t\t" in octets:  # halved each time
            octets = octets.replace(b"\t\t", b"\t")
        octets = octets.replace(b"\t", b" ")
    if len(octets.translate(None, _CONTROLS)) == len(octets):
        return octets.upper().decode("ascii")
    return "".join([casemap("\n" + clean_line(line[1:].decode("ascii"))) for line in lines])
