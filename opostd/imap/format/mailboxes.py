"""LIST, LSUB, STATUS, NAMESPACE responses (RFC 9051 7.3.1 to 7.3.4, RFC 5258 6, RFC 2342)."""

from opostd.imap.format.strings import mailbox
from opostd.imap.values.responses import Listed, Namespaces, StatusData


def format_listed(listed: Listed, utf8: bool = False) -> bytes:
    more = [b'"CHILDINFO" ("SUBSCRIBED")'] if listed.childinfo else []
    if listed.oldname:
        more.append(b'"OLDNAME" (%b)' % mailbox(listed.oldname, utf8))
    return b'* %b (%b) "/" %b%b\r\n' % (
        b"LSUB" if listed.lsub else b"LIST",
        " ".join(listed.attributes).encode("ascii"),
        mailbox(listed.name, utf8),
        b" (%b)" % b" ".join(more) if more else b"",
    )


def format_status(status: StatusData, utf8: bool = False) -> bytes:
    items = b" ".join(
        [b"%b %b" % (name, value if isinstance(value, bytes) else b"%d" % value) for name, value in status.items]
    )
    return b"* STATUS %b (%b)\r\n" % (mailbox(status.name, utf8), items)


def format_namespaces(_: Namespaces) -> bytes:
    """The user's own boxes, in one tree without a prefix, and all that others share, people and teams, in another."""
    return b'* NAMESPACE (("" "/")) NIL (("Shared/" "/"))\r\n'
