"""The UIDBATCHES response (RFC 10022 3.1)."""

from opostd.imap.format.strings import string
from opostd.imap.values.batches import BatchData


def format_batches(data: BatchData) -> bytes:
    """A batch is written with both its ends, also where they are the same; none at all for an empty mailbox."""
    ranges = b",".join([b"%d:%d" % pair for pair in data.ranges])
    return b"* UIDBATCHES (TAG %b)%b\r\n" % (string(data.tag), b" " + ranges if ranges else b"")
