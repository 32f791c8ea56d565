"""ENVELOPE: the ten fields of a message's header (RFC 9051 7.5.2, RFC 3501 7.4.2).

A field that is absent is NIL; Date, Subject, In-Reply-To and Message-ID that are present and empty are "".  Of a
field that may stand once (RFC 5322 3.6) the first counts; address fields that are repeated are joined (4.5).
"""

from opostd.mime.addresses import MAX_ADDRESSES, Address, addresses
from opostd.mime.headers import fields, unfold
from opostd.mime.octets import nstring

_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_TEXTS = (b"date", b"subject", b"in-reply-to", b"message-id")
_WANTED = frozenset(_LISTS + _TEXTS)


class Header:
    """What a header block says that the envelope needs.

    texts: unfolded values by lower-case name.  lists: entries by lower-case name; at most MAX_ADDRESSES together.
    """

    def __init__(self, block: bytes) -> None:
        self.texts: dict[bytes, bytes] = {}
        self.lists: dict[bytes, list[Address]] = {}
        left = MAX_ADDRESSES
        for name, value in fields(block):
            key = name.lower()
            if key not in _WANTED:
                continue
            if key in _TEXTS:
                self.texts.setdefault(key, unfold(value))
            elif left > 0:
                found = addresses(value, left)
                left -= len(found)
                self.lists.setdefault(key, []).extend(found)

    def envelope(self) -> bytes:
        """The octets, parentheses included; 7-bit, in one line."""
        lists, texts = self.lists, self.texts
        from_ = _list(lists.get(b"from"))
        return b"(%b %b %b %b %b %b %b %b %b %b)" % (
            nstring(texts.get(b"date")),
            nstring(texts.get(b"subject")),
            from_,
            _list(lists[b"sender"]) if lists.get(b"sender") else from_,
            _list(lists[b"reply-to"]) if lists.get(b"reply-to") else from_,
            _list(lists.get(b"to")),
            _list(lists.get(b"cc")),
            _list(lists.get(b"bcc")),
            nstring(texts.get(b"in-reply-to")),
            nstring(texts.get(b"message-id")),
        )


def envelope(block: bytes) -> bytes:
    """ENVELOPE's octets for a header block."""
    return Header(block).envelope()


def _list(entries: list[Address] | None) -> bytes:
    if not entries:
        return b"NIL"
    shown = [
        b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(mailbox), nstring(host))
        for name, route, mailbox, host in entries
    ]
    return b"(" + b"".join(shown) + b")"
