"""From octets to a cursor, as a connection does it: for the tests of the pure rooms."""

from opostd.imap.limits import AFTER_LOGIN, FrameLimits, frame_limits
from opostd.imap.wire.cursor import Cursor
from opostd.imap.wire.framing import Frame, Framer, NeedLiteral

MAX_MESSAGE_OCTETS = 1_000_000
LIMITS = frame_limits(AFTER_LOGIN, MAX_MESSAGE_OCTETS)


def everything(framer: Framer) -> list[object]:
    """All that the framer has, up to a fatal refusal; continuation requests left out."""
    things: list[object] = []
    while (thing := framer.next()) is not None:
        if not isinstance(thing, NeedLiteral):
            things.append(thing)
        if getattr(thing, "fatal", False):
            break
    return things


def frame(octets: bytes, limits: FrameLimits = LIMITS) -> Frame:
    """One command without its last CRLF, with its literals."""
    if not octets:
        return Frame(b"")  # between commands the framer passes it over
    framer = Framer(limits)
    framer.feed(octets + b"\r\n")
    (thing,) = everything(framer)
    assert isinstance(thing, Frame), thing
    return thing


def cursor(octets: bytes) -> Cursor:
    """A cursor at the beginning of these octets; offsets are into them where no literal is before."""
    return Cursor(frame(octets))
