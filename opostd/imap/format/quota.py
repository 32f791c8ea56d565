"""QUOTA and QUOTAROOT responses (RFC 9208 4.2, 7: quota-response, quotaroot-response)."""

from opostd.imap.format.strings import astring, mailbox
from opostd.imap.values.quota import QuotaData, QuotaRoots


def format_quota(data: QuotaData) -> bytes:
    resources = b" ".join([b"%b %d %d" % (each.name, each.usage, each.limit) for each in data.resources])
    return b"* QUOTA %b (%b)\r\n" % (astring(data.root), resources)


def format_quota_roots(roots: QuotaRoots, utf8: bool = False) -> bytes:
    return b" ".join([b"* QUOTAROOT", mailbox(roots.name, utf8), *map(astring, roots.roots)]) + b"\r\n"
