"""What leaves is signed: DKIM by the author's domain where we have its keys, and an ARC seal on what came from others.

RFC 6376 5, RFC 8617 5.1.  What must stay true: the octets that are signed are those that leave; nothing here keeps a
message from leaving.
"""

import logging
import re
import time
from collections.abc import Callable, Sequence

from opostd.checks import arc, dmarc, sign
from opostd.checks.canon import Body
from opostd.checks.keyring import Keyring
from opostd.checks.sign import SigningKey
from opostd.checks.signature import Failed
from opostd.intake.message import CRLF, Field, Message, header_fields

log = logging.getLogger("opostd.checks")

_ARC_RESULT = re.compile(rb";[ \t]*arc=(none|pass|fail)(?![a-z])")


class Signer:
    """One for a process.  hostname: our name in Authentication-Results.  domains: ours; the first with keys signs what
    is of others, whose keys we do not have.  seal: whether with ARC.  now: seconds since 1970.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        hostname: str,
        domains: Sequence[str],
        seal: bool = True,
        now: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._keyring = keyring
        self._hostname = hostname.encode()
        self._domains = domains
        self._seal = seal
        self._now = now

    def __call__(self, raw: bytes) -> bytes:
        """The message with its signatures on top; as it was where there are no keys.  raw: with CRLF line ends."""
        try:
            own = next((keys for domain in self._domains if (keys := self._keyring.of(domain))), [])
            return self._signed(raw, own) if own else raw
        except Exception:  # unsigned mail is better than none
            log.exception("not signed")
            return raw

    def _signed(self, raw: bytes, own: list[SigningKey]) -> bytes:
        end = raw.find(CRLF + CRLF)
        header, rest = (raw, b"") if end < 0 else (raw[: end + 2], raw[end + 2 :])
        message = Message(tuple(header_fields(header)), rest)
        body = Body(message)
        authors = dmarc.authors(message)
        keys = next((keys for domain in authors if (keys := self._keyring.of(domain))), own)
        message = message.topped(sign.dkim(message, body, keys, self._now()))
        if self._seal:
            message = message.topped(self._sealed(message, body, own[0]))
        return message.octets

    def _sealed(self, message: Message, body: Body, key: SigningKey) -> list[Field]:
        """The fields of one more ARC set; none for mail that is our users' own, or whose chain has ended."""
        for each in message.all(b"authentication-results"):
            value = each.value
            found = _ARC_RESULT.search(value)
            # Any of our name is ours: what was forged was taken out when the message came.
            if value.partition(b";")[0].strip().lower() != self._hostname or found is None:
                continue
            try:
                sets = arc.read(message) if any(field.name in arc.NAMES for field in message.fields) else ()
            except Failed:
                return []
            if sets and sets[-1].tags.get("cv") == "fail":
                return []  # RFC 8617 5.1.2: nobody adds to it any more
            valid = found[1].decode()
            return sign.arc(message, body, key, sets, valid=valid, results=value, now=self._now())
        return []
