"""When a message to a group comes to its end, and the Expires field that says so.

Pure.  RFC 10080: one field, a date-time; more than one counts as none; dates may be anywhere.  What must stay true:
the field alone deletes nothing.  The group has to be one whose posts end, and what its author says, who has logged
in, can only make it earlier; a stranger's field stays what it is, text.
"""

from collections.abc import Sequence
from email.utils import formatdate

from opostd.intake.message import Message, field
from opostd.mime.dates import sent
from opostd.model.records import Source


def expires_at(message: Message, sources: Sequence[Source], *, own: bool, now: int) -> int | None:
    """Seconds since 1970, later than ``now``; None for a message that has no end.

    sources: where it goes; the shortest of their times counts.  own: its author has logged in.
    """
    times = [source.expiry_s for source in sources if source.expiry_s > 0]
    if not times:
        return None
    end = now + min(times)
    written = message.all(b"expires")
    said = sent(written[0].value) if own and len(written) == 1 else None
    return min(end, said.seconds) if said is not None and said.seconds > now else end


def with_expires(message: Message, end: int) -> Message:
    """The message with one Expires field, of that time."""
    plain = message.without(lambda each: each.name == b"expires")
    return plain.topped([field("Expires", formatdate(end).encode())])
