"""SEARCH and ESEARCH responses (RFC 3501 7.2.5; RFC 4731 3.1, 3.2; RFC 7162 3.1.6; RFC 7377 2.1)."""

from opostd.imap.format.sets import format_set
from opostd.imap.format.strings import mailbox, string
from opostd.imap.values.responses import ESearch, SearchData


def format_search(search: SearchData) -> bytes:
    modseq = b"" if search.modseq is None else b" (MODSEQ %d)" % search.modseq
    return b"".join([b"* SEARCH", *(b" %d" % number for number in search.numbers), modseq, b"\r\n"])


def format_esearch(found: ESearch, utf8: bool = False) -> bytes:
    correlators = [b"TAG " + string(found.tag)]
    if found.mailbox:
        correlators.append(b"MAILBOX %b UIDVALIDITY %d" % (mailbox(found.mailbox, utf8), found.uidvalidity))
    pieces = [b"* ESEARCH (%b)" % b" ".join(correlators)]
    if found.by_uid:
        pieces.append(b"UID")
    for name, number in ((b"MIN", found.min), (b"MAX", found.max), (b"COUNT", found.count)):
        if number is not None:
            pieces.append(b"%b %d" % (name, number))
    if found.all:
        pieces.append(b"ALL " + format_set(found.all))
    if found.partial is not None:
        asked, numbers = found.partial
        pieces.append(b"PARTIAL (%d:%d %b)" % (*asked, format_set(numbers) if numbers else b"NIL"))
    if found.modseq is not None:
        pieces.append(b"MODSEQ %d" % found.modseq)
    return b" ".join(pieces) + b"\r\n"
