"""IMAP URLs of messages and their parts, as CATENATE has them: relative, without a server (RFC 5092, RFC 4469 3).

``/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME/;PARTIAL=0.1024``; a URL that begins with ``;UID=`` is of the
selected mailbox.  Words have no case.  Mailbox names are UTF-8, others than URL characters percent-encoded.
"""

import re

from opostd.imap.parse.fetch import parse_section
from opostd.imap.values.append import MessageUrl
from opostd.imap.values.fetch import Section, Text
from opostd.imap.values.sets import MAX_NUMBER
from opostd.imap.wire import mutf7
from opostd.imap.wire.cursor import Cursor, folded_inbox
from opostd.imap.wire.framing import Frame
from opostd.model.errors import BadSyntax

_URL = re.compile(
    rb"(?:/(?P<mailbox>[^;?#]+?)(?:;UIDVALIDITY=(?P<uidvalidity>[1-9][0-9]{0,9}))?/?)?"
    rb"(?:(?<=/)|\A);UID=(?P<uid>[1-9][0-9]{0,9})"
    rb"(?:/;SECTION=(?P<section>[^;/?#]+))?"
    rb"(?:/;PARTIAL=(?P<offset>[0-9]{1,10})(?:\.(?P<length>[1-9][0-9]{0,9}))?)?",
    re.IGNORECASE,
)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})?")
WHOLE = Section((), Text.WHOLE, peek=True)


def parse_url(octets: bytes) -> MessageUrl | None:
    """What the URL says, or None where it is none of a message, has a scheme or server, or asks for URLAUTH."""
    found = _URL.fullmatch(octets)
    if found is None or not octets.isascii():
        return None
    numbers = {name: int(found[name] or 0) for name in ("uidvalidity", "uid", "offset", "length")}
    if max(numbers.values()) > MAX_NUMBER:
        return None
    try:
        name = None if found["mailbox"] is None else folded_inbox(mutf7.plain(_decoded(found["mailbox"])))
        section = WHOLE if found["section"] is None else _section(_decoded(found["section"]))
    except (ValueError, BadSyntax):
        return None
    if found["offset"] is not None:
        partial = (numbers["offset"], numbers["length"] or MAX_NUMBER)
        section = Section(section.path, section.text, section.fields, partial, peek=True)
    return MessageUrl(name, numbers["uidvalidity"] or None, numbers["uid"], section)


def _decoded(octets: bytes) -> bytes:
    """Without percent-encoding (RFC 3986 2.1).  Raises ValueError where a percent sign stands alone."""

    def octet(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("a percent sign alone")
        return bytes((int(match[1], 16),))

    return _PERCENT.sub(octet, octets)


def _section(octets: bytes) -> Section:
    """A section-spec, to its end."""
    args = Cursor(Frame(octets + b"]"))
    section = parse_section(args)
    args.end()
    return section
