"""What a mailbox holds: EXISTS, RECENT, EXPUNGE, VANISHED (RFC 9051 7.4.1, 7.5.1; RFC 3501 7.3.2; RFC 7162 3.2.10)."""

from opostd.imap.format.sets import format_set
from opostd.imap.values.responses import Exists, Expunge, Recent, Vanished

UIDS_IN_LINE = 1000  # 11 octets each at most: a client need not keep a longer line in one piece


def format_exists(exists: Exists) -> bytes:
    return b"* %d EXISTS\r\n" % exists.count


def format_recent(recent: Recent) -> bytes:
    return b"* %d RECENT\r\n" % recent.count


def format_expunge(expunge: Expunge) -> bytes:
    return b"* %d EXPUNGE\r\n" % expunge.number


def format_vanished(vanished: Vanished) -> bytes:
    """``* VANISHED [(EARLIER)] uids``, in several lines where there are many."""
    word = b"VANISHED (EARLIER)" if vanished.earlier else b"VANISHED"
    uids = vanished.uids
    pages = (uids[at : at + UIDS_IN_LINE] for at in range(0, len(uids), UIDS_IN_LINE))
    return b"".join([b"* %b %b\r\n" % (word, format_set(page)) for page in pages])
