"""SEARCH responses (RFC 3501 7.2.5)."""

from opostd.imap.values.responses import SearchData


def format_search(search: SearchData) -> bytes:
    return b"".join([b"* SEARCH", *(b" %d" % number for number in search.numbers), b"\r\n"])
