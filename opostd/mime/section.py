"""BODY[section], HEADER.FIELDS and BINARY: slices of a message by offset.

RFC 9051 6.4.5.1 and RFC 3501 6.4.5 (sections), RFC 3516 (BINARY).  A part number names a part of the message that
is stepped into: of a multipart its parts; of any other message its body, as part 1.  HEADER and TEXT below a number
are of the message inside a message/rfc822 part, and of nothing else; MIME is the header of the part itself.
"""

import binascii
import re
from enum import Enum
from functools import lru_cache

from opostd.mime.headers import base64_octets, fields, token
from opostd.mime.scan import Kind, Tree

# RFC 2045 6.7 rule 3: white space at the end of a line was added on the way, and is deleted; also behind a soft break.
_TRAILING_SPACE = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_SPACE_AND_END = (b" \r\n", b"\t\r\n", b" \n", b"\t\n")


class SectionName(Enum):
    """What of a part; WHOLE is the section without a name."""

    WHOLE = ""
    HEADER = "HEADER"
    TEXT = "TEXT"
    MIME = "MIME"


def find(tree: Tree, path: tuple[int, ...]) -> int | None:
    """The index of the part with that number, or None; path is not empty."""
    parts = tree.parts
    index: int | None = None
    for number in path:
        if index is None:
            root = 0
        elif parts[index].kind is Kind.MESSAGE:
            root = index + 1
        else:
            root = index
        if parts[root].kind is Kind.MULTIPART:
            index = tree.child(root, number)
        elif number == 1 and root != index:
            index = root  # part 1 of a message that is no multipart is its body
        else:
            return None
        if index is None:
            return None
    return index


def span(size: int, tree: Tree, path: tuple[int, ...], name: SectionName) -> tuple[int, int] | None:
    """First octet and the one after the last of a section, or None where the message has no such section.

    size: octets of the message.  path: part numbers from 1; () is the message, which has no MIME.
    """
    if path:
        index = find(tree, path)
        if index is None:
            return None
        part = tree.parts[index]
        if name is SectionName.WHOLE:
            return part.body, part.end
        if name is SectionName.MIME:
            return part.start, part.body
        if part.kind is not Kind.MESSAGE:
            return None
        part = tree.parts[index + 1]
    else:
        part = tree.parts[0]
        if name is SectionName.WHOLE:
            return 0, size
        if name is SectionName.MIME:
            return None
    return (part.start, part.body) if name is SectionName.HEADER else (part.body, part.end)


def header_fields(block: bytes, names: frozenset[bytes], not_: bool) -> bytes:
    """The fields of a header block that have one of the names, or with ``not_`` all others, and an empty line.

    names: lower case.  Fields keep their octets, order and folds; a line that is no field belongs to the others.
    """
    if not names:
        chosen = _without_end(block) if not_ else b""
    elif not_:
        chosen = _pattern(names).sub(b"", _without_end(block))
    elif block.endswith(b"\n"):
        chosen = b"".join(_after_line_end(names).findall(b"\n" + block))
        if chosen:
            chosen = chosen[1:] + b"\n"
    else:
        chosen = b"".join(_pattern(names).findall(block))
    if chosen and not chosen.endswith(b"\n"):
        chosen += b"\r\n"
    return chosen + b"\r\n"


def _without_end(block: bytes) -> bytes:
    """The block without the empty line that ends it."""
    for end in (b"\r\n", b"\n"):
        if block == end or block.endswith(b"\n" + end):
            return block[: -len(end)]
    return block


@lru_cache(maxsize=256)  # clients ask for the same names for each message; each pattern costs about 0.3 ms to make
def _pattern(names: frozenset[bytes]) -> re.Pattern[bytes]:
    choice = b"|".join(re.escape(name) for name in sorted(names))
    return re.compile(
        rb"^(?:" + choice + rb")[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*(?:\n|\Z)", re.MULTILINE | re.IGNORECASE
    )


@lru_cache(maxsize=256)
def _after_line_end(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """As ``_pattern``, with the line end before each field in place of the one behind it: half of its time.

    A search for one octet passes over the lines that are no field, and sets of two octets are looked up where
    letters of any case would be folded one by one.
    """
    choice = b"|".join(b"".join(map(_either_case, name)) for name in sorted(names))
    return re.compile(rb"\n(?:" + choice + rb")[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*")


def _either_case(octet: int) -> bytes:
    letter = bytes((octet,))
    return b"[%b%b]" % (letter.upper(), letter) if letter.isalpha() else re.escape(letter)


def encoding_of(header: bytes) -> bytes:
    """The word of the first Content-Transfer-Encoding of a part's header, or b"" (RFC 2045 6.1)."""
    for name, value in fields(header):
        if len(name) == 25 and name.lower() == b"content-transfer-encoding":
            return token(value)
    return b""


def decoded(body: bytes, encoding: bytes) -> bytes | None:
    """A part's body without its Content-Transfer-Encoding, or None where that is unknown (RFC 3516: UNKNOWN-CTE).

    encoding: the word as written, b"" for none.  What is broken in base64 or quoted-printable is passed over.
    """
    match encoding.lower():
        case b"" | b"7bit" | b"8bit" | b"binary":
            return body
        case b"base64":
            return base64_octets(body)
        case b"quoted-printable":
            # The pattern stops at each space there is; most texts have none where it looks for one.
            if body.endswith((b" ", b"\t")) or any(each in body for each in _SPACE_AND_END):
                body = _TRAILING_SPACE.sub(b"", body)
            return binascii.a2b_qp(body)
    return None
