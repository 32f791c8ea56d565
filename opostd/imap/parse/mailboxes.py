"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB, STATUS (RFC 9051 6.3.4 to 6.3.11, RFC 3501 6.3.9).

LIST has the options of RFC 5258, SPECIAL-USE of RFC 6154, STATUS of RFC 5819, MYRIGHTS of RFC 8440, METADATA of
RFC 9590; CREATE has its USE.
"""

from opostd.imap.faults import BadUse
from opostd.imap.limits import MAX_PATTERN_OCTETS, MAX_PATTERNS
from opostd.imap.parse.metadata import parse_entries
from opostd.imap.values.commands import List, Mailbox, Rename, Status, StatusItem
from opostd.imap.wire.cursor import Cursor

ROLES = {role.upper(): role for role in ("Archive", "Drafts", "Junk", "Sent", "Trash")}
"""The special uses a box can have here: \\All and \\Flagged would be views of other boxes (RFC 6154 2)."""

SELECT_OPTIONS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
RETURN_OPTIONS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS", "MYRIGHTS", "METADATA"})
STATUS_ITEMS = {item.value: item for item in StatusItem}


def parse_mailbox(args: Cursor) -> Mailbox:
    """``SP mailbox``."""
    name = args.sp().mailbox()
    args.end()
    return Mailbox(name)


def parse_create(args: Cursor) -> Mailbox:
    """``SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`` (RFC 6154 7).

    Raises BadUse for a use that no box has here, and for more than one: a box has one role.
    """
    name = args.sp().mailbox()
    role = ""
    if args.take(b" ") and args.peek():
        args.expect(b"(")
        at = args.at
        if args.keyword() != b"USE":
            args.fail("USE", at)
        role = _role(args.sp().list_of(lambda: _use(args), empty=True))
        args.expect(b")")
    args.end()
    return Mailbox(name, role)


def _use(args: Cursor) -> str:
    return args.expect(b"\\").atom().decode("ascii").upper()


def _role(uses: list[str]) -> str:
    roles = {ROLES.get(use) for use in uses}
    if None in roles or len(roles) > 1:
        raise BadUse("a mailbox has one of " + " ".join(f"\\{role}" for role in ROLES.values()))
    return next((role for role in roles if role), "")


def parse_rename(args: Cursor) -> Rename:
    """``SP mailbox SP mailbox``."""
    old = args.sp().mailbox()
    new = args.sp().mailbox()
    args.end()
    return Rename(old, new)


def parse_status(args: Cursor) -> Status:
    """``SP mailbox SP "(" status-att *(SP status-att) ")"``."""
    name = args.sp().mailbox()
    items = _status_items(args.sp())
    args.end()
    return Status(name, items)


def _status_items(args: Cursor) -> tuple[StatusItem, ...]:
    """An item asked for twice is answered once."""

    def item() -> StatusItem:
        at = args.at
        found = STATUS_ITEMS.get(args.keyword())
        if found is None:
            args.fail("a STATUS item", at)
        return found

    return tuple(dict.fromkeys(args.list_of(item)))


def parse_lsub(args: Cursor) -> List:
    """``SP mailbox SP list-mailbox``."""
    reference = args.sp().mailbox()
    pattern = _pattern(args.sp())
    args.end()
    return List(reference, (pattern,))


def parse_list(args: Cursor) -> List:
    """``[SP select-opts] SP mailbox SP mbox-or-pat [SP return-opts]`` (RFC 5258 6).

    Raises BadSyntax for options that are not announced, and for RECURSIVEMATCH without SUBSCRIBED (RFC 5258 3.1).
    """
    select: frozenset[str] = frozenset()
    extended = False
    args.sp()
    if args.peek() == b"(":
        at = args.at
        extended = True
        select = frozenset(args.list_of(lambda: _option(args, SELECT_OPTIONS), empty=True))
        if "RECURSIVEMATCH" in select and "SUBSCRIBED" not in select:
            args.fail("SUBSCRIBED beside RECURSIVEMATCH", at)
        args.sp()
    reference = args.mailbox()
    args.sp()
    if args.peek() == b"(":
        at = args.at
        extended = True
        patterns = args.list_of(lambda: _pattern(args))
        if len(patterns) > MAX_PATTERNS:
            args.fail(f"at most {MAX_PATTERNS} patterns", at)
    else:
        patterns = [_pattern(args)]
    returns: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()
    annotations: tuple[str, ...] = ()
    if args.take(b" ") and args.peek() not in (b"", b" "):
        at = args.at
        extended = True
        if args.keyword() != b"RETURN":
            args.fail("RETURN", at)

        def option() -> str:
            nonlocal annotations, status
            found = _option(args, RETURN_OPTIONS)
            if found == "STATUS":
                status = _status_items(args.sp())
            elif found == "METADATA":
                annotations = parse_entries(args.sp())
            return found

        returns = frozenset(args.sp().list_of(option, empty=True)) - {"STATUS", "METADATA"}
    args.end()
    return List(reference, tuple(patterns), select, returns, extended, status, annotations)


def _option(args: Cursor, known: frozenset[str]) -> str:
    at = args.at
    option = args.keyword().decode("ascii")
    if option not in known:
        args.fail("one of " + " ".join(sorted(known)), at)
    return option


def _pattern(args: Cursor) -> str:
    at = args.at
    pattern = args.list_mailbox()
    if len(pattern.encode("utf-8")) > MAX_PATTERN_OCTETS:
        args.fail(f"a pattern of at most {MAX_PATTERN_OCTETS} octets", at)
    return pattern
