"""ACL, LISTRIGHTS, MYRIGHTS responses (RFC 4314 3.6 to 3.8, 7)."""

import re

from opostd.imap.format.strings import astring, mailbox
from opostd.imap.values.acl import AclData, MyRights, RightsList
from opostd.model.rights import LETTERS, Rights, letters_of

# Addresses need no quotes by the grammar, and IMAPClient keeps those that it is sent as a part of the name.
_PLAIN = re.compile(rb"[A-Za-z0-9$-][A-Za-z0-9._+@$-]*")


def _identifier(name: str) -> bytes:
    octets = name.encode()
    return octets if _PLAIN.fullmatch(octets) and octets.upper() != b"NIL" else astring(octets)


def _rights(rights: Rights) -> bytes:
    return astring(letters_of(rights).encode("ascii"))


def format_acl(acl: AclData, utf8: bool = False) -> bytes:
    entries = b"".join([b" %b %b" % (_identifier(name), _rights(rights)) for name, rights in acl.entries])
    return b"* ACL %b%b\r\n" % (mailbox(acl.name, utf8), entries)


def format_rights_list(listed: RightsList, utf8: bool = False) -> bytes:
    """No right is tied to another, so each stands alone (RFC 4314 3.7)."""
    grantable = b"".join([b" " + letter.encode("ascii") for letter in LETTERS]) if listed.grantable else b""
    identifier = _identifier(listed.identifier)
    return b"* LISTRIGHTS %b %b %b%b\r\n" % (
        mailbox(listed.name, utf8), identifier, _rights(listed.required), grantable
    )  # fmt: skip


def format_my_rights(mine: MyRights, utf8: bool = False) -> bytes:
    return b"* MYRIGHTS %b %b\r\n" % (mailbox(mine.name, utf8), _rights(mine.rights))
