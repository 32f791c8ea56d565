"""GETQUOTA (RFC 9208 4.1.1, 7); GETQUOTAROOT takes a mailbox as many commands do."""

from opostd.imap.values.quota import GetQuota
from opostd.imap.wire.cursor import Cursor


def parse_getquota(args: Cursor) -> GetQuota:
    """``SP quota-root-name``, an astring."""
    root = args.sp().astring()
    args.end()
    return GetQuota(root)
