"""SEARCH and ESEARCH responses (RFC 3501 7.2.5; RFC 4731 3.1)."""

from opostd.imap.format.sets import format_set
from opostd.imap.format.strings import string
from opostd.imap.values.responses import ESearch, SearchData


def format_search(search: SearchData) -> bytes:
    return b"".join([b"* SEARCH", *(b" %d" % number for number in search.numbers), b"\r\n"])


def format_esearch(found: ESearch) -> bytes:
    pieces = [b"* ESEARCH (TAG %b)" % string(found.tag)]
    if found.by_uid:
        pieces.append(b"UID")
    for name, number in ((b"MIN", found.min), (b"MAX", found.max), (b"COUNT", found.count)):
        if number is not None:
            pieces.append(b"%b %d" % (name, number))
    if found.all:
        pieces.append(b"ALL " + format_set(found.all))
    return b" ".join(pieces) + b"\r\n"
