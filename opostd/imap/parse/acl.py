"""SETACL, DELETEACL, LISTRIGHTS; GETACL and MYRIGHTS name a mailbox alone (RFC 4314 7)."""

import unicodedata

from opostd.imap.values.acl import AboutIdentifier, SetAcl
from opostd.imap.wire.cursor import Cursor
from opostd.model.rights import LETTERS, Change, rights_of

MAX_IDENTIFIER_OCTETS = 1024  # more than any address has


def parse_setacl(args: Cursor) -> SetAcl:
    """``SP mailbox SP identifier SP mod-rights``.  A letter that is no right is BadSyntax (RFC 4314 3.1)."""
    name = args.sp().mailbox()
    identifier = _identifier(args.sp())
    at = args.sp().at
    written = args.astring().decode("ascii", "replace")
    sign = written[:1] if written[:1] in ("+", "-") else ""
    try:
        rights = rights_of(written[len(sign) :])
    except ValueError:
        args.fail(f"rights of {LETTERS}, with or without + or - before them", at)
    args.end()
    return SetAcl(name, identifier, Change(sign), rights)


def parse_about_identifier(args: Cursor) -> AboutIdentifier:
    """``SP mailbox SP identifier``."""
    name = args.sp().mailbox()
    identifier = _identifier(args.sp())
    args.end()
    return AboutIdentifier(name, identifier)


def _identifier(args: Cursor) -> str:
    """UTF-8, in the form that addresses have here (RFC 8265 rather than SASLprep), and not empty (RFC 4314 3)."""
    at = args.at
    identifier = unicodedata.normalize("NFC", args.text_of(args.astring, "an identifier"))
    bare = identifier.removeprefix("-")
    if not bare.strip() or not identifier.isprintable() or len(identifier.encode()) > MAX_IDENTIFIER_OCTETS:
        args.fail("an identifier that can be prepared", at)
    return identifier
