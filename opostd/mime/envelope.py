"""ENVELOPE: the ten fields of a message's header (RFC 9051 7.5.2, RFC 3501 7.4.2).

A field that is absent is NIL; Date, Subject, In-Reply-To and Message-ID that are present and empty are "".  Of a
field that may stand once (RFC 5322 3.6) the first counts; address fields that are repeated are joined (4.5).
"""

from opostd.mime.addresses import MAX_ADDRESSES, Address, addresses
from opostd.mime.headers import unfolded
from opostd.mime.octets import nstring

_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_TEXTS = (b"date", b"subject", b"in-reply-to", b"message-id", b"references")
_WANTED = frozenset(_LISTS + _TEXTS)


class Header:
    """What a header block says that the envelope needs, and the thread.

    texts: unfolded values by lower-case name.  lists: entries by lower-case name; at most MAX_ADDRESSES together.
    """

    def __init__(self, block: bytes) -> None:
        self.texts: dict[bytes, bytes] = {}
        self.lists: dict[bytes, list[Address]] = {}
        left = MAX_ADDRESSES
        for key, _, value in unfolded(block):
            if key not in _WANTED:
                continue
            if key in _TEXTS:
                self.texts.setdefault(key, value)
            elif left > 0:
                found = addresses(value, left)
                left -= len(found)
                self.lists.setdefault(key, []).extend(found)

    def envelope(self, utf8: bool = False) -> bytes:
        """The octets, parentheses included; 7-bit, in one line.  utf8: what is raw UTF-8 stays so (RFC 6855 3)."""
        lists, texts = self.lists, self.texts
        from_ = _list(lists.get(b"from"), utf8)
        return b"(%b %b %b %b %b %b %b %b %b %b)" % (
            nstring(texts.get(b"date"), utf8),
            nstring(texts.get(b"subject"), utf8),
            from_,
            _list(lists[b"sender"], utf8) if lists.get(b"sender") else from_,
            _list(lists[b"reply-to"], utf8) if lists.get(b"reply-to") else from_,
            _list(lists.get(b"to"), utf8),
            _list(lists.get(b"cc"), utf8),
            _list(lists.get(b"bcc"), utf8),
            nstring(texts.get(b"in-reply-to"), utf8),
            nstring(texts.get(b"message-id"), utf8),
        )


def envelope(block: bytes, utf8: bool = False) -> bytes:
    """ENVELOPE's octets for a header block."""
    return Header(block).envelope(utf8)


def _list(entries: list[Address] | None, utf8: bool) -> bytes:
    if not entries:
        return b"NIL"
    shown = [
        b"(%b %b %b %b)" % (nstring(name, utf8), nstring(route, utf8), nstring(mailbox, utf8), nstring(host, utf8))
        for name, route, mailbox, host in entries
    ]
    return b"(" + b"".join(shown) + b")"
