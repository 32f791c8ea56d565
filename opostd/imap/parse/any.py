"""Commands without arguments (RFC 9051 6.1, 6.2.1, 6.4.1 to 6.4.3; RFC 2177; RFC 2342; RFC 3691), and COMPRESS."""

from opostd.imap.values.commands import Bare
from opostd.imap.wire.cursor import Cursor

_BARE = Bare()


def parse_bare(args: Cursor) -> Bare:
    """Nothing.  Raises BadSyntax where something follows."""
    args.end()
    return _BARE


def parse_compress(args: Cursor) -> Bare:
    """``SP "DEFLATE"``, the one algorithm there is (RFC 4978 5)."""
    at = args.sp().at
    if args.keyword() != b"DEFLATE":
        args.fail("DEFLATE", at)
    args.end()
    return _BARE
