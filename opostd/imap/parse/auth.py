"""AUTHENTICATE, LOGIN, ID, ENABLE (RFC 9051 6.2.2, 6.2.3; RFC 4959; RFC 2971; RFC 5161)."""

from opostd.imap.limits import MAX_ID_FIELDS
from opostd.imap.values.commands import Authenticate, Enable, Id, Login
from opostd.imap.wire.cursor import Cursor


def parse_authenticate(args: Cursor) -> Authenticate:
    """``SP auth-type [SP (base64 / "=")]``; ``=`` is an initial response of no octets (RFC 4959 3)."""
    mechanism = args.sp().keyword().decode("ascii")
    initial: bytes | None = None
    if args.take(b" ") and args.peek():
        initial = b"" if args.take(b"=") else args.base64()
    args.end()
    return Authenticate(mechanism, initial)


def parse_login(args: Cursor) -> Login:
    """``SP userid SP password``: two astrings, in UTF-8 where they are literals beyond ASCII."""
    user = args.sp().text_of(args.astring, "a user name")
    password = args.sp().text_of(args.astring, "a password")
    args.end()
    return Login(user, password)


def parse_id(args: Cursor) -> Id:
    """``SP ("NIL" / "(" [string SP nstring *(SP string SP nstring)] ")")``.

    At most 30 fields (RFC 2971 3.3); what cannot be decoded is shown as U+FFFD, for it is only ever shown.
    """

    def field() -> tuple[str, str | None]:
        name = args.string()
        value = args.sp().nstring()
        return name.decode("utf-8", "replace"), None if value is None else value.decode("utf-8", "replace")

    args.sp()
    if args.peek() != b"(":
        at = args.at
        if args.keyword() != b"NIL":
            args.fail("NIL or a list of fields", at)
        args.end()
        return Id(None)
    at = args.at
    fields = args.list_of(field, empty=True)
    if len(fields) > MAX_ID_FIELDS:
        args.fail(f"at most {MAX_ID_FIELDS} fields", at)
    args.end()
    return Id(tuple(fields))


def parse_enable(args: Cursor) -> Enable:
    """``1*(SP capability)``."""
    names = [args.sp().keyword().decode("ascii")]
    while args.take(b" ") and args.peek():
        names.append(args.keyword().decode("ascii"))
    args.end()
    return Enable(tuple(names))
