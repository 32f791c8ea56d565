"""Messages whose COMMIT gave no answer: their senders were told "later", and they may have been kept all the same.

Whoever is told 451 sends again.  The same octets from the same sender to the same recipients are then the same post
here, which the commit that keeps it finds out itself: it is there, with all that was written beside it, or it is not.

What must stay true: what is remembered is bounded; what is not remembered any more, or by another process, is a second
message, as RFC 5321 6.1 allows for.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence

from opostd.model.errors import Unavailable
from opostd.model.ids import NOBODY
from opostd.model.mailing import Mailing, Recipient, Terms
from opostd.model.records import Account

MAX_OCTETS = 64 * 1024 * 1024  # of messages; a fault of a minute is some thousand of 3 KB
EACH = 1024  # what is remembered of a message beside its octets

Said = Callable[[], bytes]
"""What tells a message from all others, made only when it is asked for."""


def said(
    raw: bytes,
    mail_from: str,
    recipients: Sequence[Recipient],
    account: Account | None,
    envid: str,
    ret: str,
    terms: Terms,
) -> bytes:
    """A digest of a submission as its sender has said it."""
    author = NOBODY if account is None else account.owner
    wishes = sorted((each.wish.address, int(each.wish.notify), each.wish.orcpt) for each in recipients)
    about = repr((mail_from, author, wishes, envid, ret, terms)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(hashlib.sha256(about).digest() + hashlib.sha256(raw).digest()).digest()


class Doubtful:
    """One for a process.  max_octets: of all messages that are remembered; the oldest are forgotten."""

    def __init__(self, max_octets: int = MAX_OCTETS) -> None:
        self._max_octets = max_octets
        self._octets = 0
        self._mailings: dict[bytes, Mailing] = {}

    def find(self, key: Said) -> Mailing | None:
        """The message as it was to be kept, where this one was sent before."""
        return self._mailings.get(key()) if self._mailings else None

    @contextlib.contextmanager
    def kept(self, key: Said, mailing: Mailing) -> Iterator[bool]:
        """While a message is kept; whether an earlier commit may have done so."""
        again = self.find(key) is mailing
        try:
            yield again
        except Unavailable:
            self._forget(key())
            self._mailings[key()] = mailing
            self._octets += _octets(mailing)
            while self._octets > self._max_octets:
                self._forget(next(iter(self._mailings)))
            raise
        if again:
            self._forget(key())

    def _forget(self, digest: bytes) -> None:
        mailing = self._mailings.pop(digest, None)
        if mailing is not None:
            self._octets -= _octets(mailing)


def _octets(mailing: Mailing) -> int:
    post = mailing.post
    return len(post.raw) + len(post.text) + len(post.facts.header) + EACH * (1 + len(mailing.recipients))
