"""What of a message is hashed: header fields and bodies in the two forms of DKIM.

Pure.  RFC 6376 3.4.  What must stay true: time is linear in the octets whatever they are; a body is looked at in
pieces, between which other threads have their turn.
"""

import hashlib
import re
from collections.abc import Iterator

from opostd.intake.message import CRLF, Field, Message

PIECE = 128 * 1024
_RUNS = re.compile(rb"[ \t]{2,}|\t")


def header(field: Field, *, relaxed: bool) -> bytes:
    """One field with its line end (RFC 6376 3.4.1, 3.4.2)."""
    if not relaxed:
        return field.octets
    name, _, value = field.octets.partition(b":")
    value = _RUNS.sub(b" ", value.replace(CRLF, b"")).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value + CRLF


class Body:
    """The body of a message; each hash is worked out once."""

    def __init__(self, message: Message) -> None:
        self._octets = message.rest.removeprefix(CRLF)
        self._known: dict[bool, bytes] = {}

    def __len__(self) -> int:
        return len(self._octets)

    def sha256(self, *, relaxed: bool) -> bytes:
        """RFC 6376 3.4.3, 3.4.4."""
        if relaxed not in self._known:
            self._known[relaxed] = self._hash(relaxed)
        return self._known[relaxed]

    def _hash(self, relaxed: bool) -> bytes:
        state = hashlib.sha256()
        empty_lines, something = 0, False
        for piece in self._pieces():
            if relaxed:
                piece = _RUNS.sub(b" ", piece).replace(b" \r\n", CRLF)
                if not piece.endswith(CRLF):
                    piece = piece.removesuffix(b" ")
            kept = piece.rstrip(CRLF)
            if kept:
                state.update(CRLF * empty_lines)
                state.update(kept)
                empty_lines, something = 0, True
            empty_lines += (len(piece) - len(kept)) // 2
        if something or not relaxed:
            state.update(CRLF)
        return state.digest()

    def _pieces(self) -> Iterator[bytes]:
        """Whole lines, about so many octets of them."""
        at = 0
        while at < len(self._octets):
            end = self._octets.find(b"\n", at + PIECE) + 1 or len(self._octets)
            yield self._octets[at:end]
            at = end


def signed(message: Message, names: list[bytes], *, relaxed: bool) -> list[bytes]:
    """The fields of these names (lower case), each name taking the next from the bottom (RFC 6376 5.4.2)."""
    left: dict[bytes, list[Field]] = {}
    for field in message.fields:
        left.setdefault(field.name, []).append(field)
    return [header(left[name].pop(), relaxed=relaxed) for name in names if left.get(name)]
