"""What a mailbox holds: EXISTS, RECENT, EXPUNGE (RFC 9051 7.4.1, 7.5.1; RFC 3501 7.3.2)."""

from opostd.imap.values.responses import Exists, Expunge, Recent


def format_exists(exists: Exists) -> bytes:
    return b"* %d EXISTS\r\n" % exists.count


def format_recent(recent: Recent) -> bytes:
    return b"* %d RECENT\r\n" % recent.count


def format_expunge(expunge: Expunge) -> bytes:
    return b"* %d EXPUNGE\r\n" % expunge.number
