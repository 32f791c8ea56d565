"""FETCH: what is asked of each message (RFC 9051 6.4.5, RFC 3501 6.4.5, RFC 3516, RFC 8970)."""

from dataclasses import dataclass
from enum import Enum

from opostd.imap.values.sets import Numbers, Partial
from opostd.model.ids import ModSeq


class Item(Enum):
    """The data items without arguments, by their name on the wire."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    MODSEQ = b"MODSEQ"
    INTERNALDATE = b"INTERNALDATE"
    SAVEDATE = b"SAVEDATE"
    EMAILID = b"EMAILID"
    THREADID = b"THREADID"
    RFC822_SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    PREVIEW = b"PREVIEW"
    PREVIEW_LAZY = b"PREVIEW (LAZY)"  # NIL where it is not there yet (RFC 8970 4.1)
    RFC822 = b"RFC822"
    RFC822_HEADER = b"RFC822.HEADER"
    RFC822_TEXT = b"RFC822.TEXT"


class Text(Enum):
    """The section-text of BODY[...]; WHOLE is its absence."""

    WHOLE = b""
    HEADER = b"HEADER"
    HEADER_FIELDS = b"HEADER.FIELDS"
    HEADER_FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


class Form(Enum):
    """In which form a section is asked for: as it is, decoded, or only how long it is decoded (RFC 3516)."""

    BODY = b"BODY"
    BINARY = b"BINARY"
    BINARY_SIZE = b"BINARY.SIZE"


@dataclass(frozen=True, slots=True)
class Section:
    """``BODY[path.text (fields)]<offset.length>``, ``BINARY[path]<offset.length>``, ``BINARY.SIZE[path]``.

    path: part numbers from 1.  fields: as the client wrote them, for the HEADER.FIELDS forms.  partial: offset and
    length in octets, or None.  peek: BODY.PEEK, BINARY.PEEK and BINARY.SIZE, which do not set ``\\Seen``.
    """

    path: tuple[int, ...]
    text: Text
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    form: Form = Form.BODY


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH or UID FETCH; macros (ALL, FAST, FULL) are already replaced by their items.

    changedsince: only messages with a later change (RFC 7162 3.1.4.1), or None for all.  vanished: tell also which
    have left since (RFC 7162 3.2.6).  partial: only so many of the messages named, before changedsince (RFC 9394 3.3).
    """

    numbers: Numbers
    items: tuple[Item | Section, ...]
    by_uid: bool
    changedsince: ModSeq | None = None
    vanished: bool = False
    partial: Partial | None = None
