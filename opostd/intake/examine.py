"""What a door may do with a message between its octets and its post: look, add fields, change them, refuse.

A door hands ``submit`` a function of this kind; intake does not know what it asks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from opostd.intake.message import Message
from opostd.model.ids import PostId


@dataclass(frozen=True, slots=True)
class Examined:
    """The message as it goes on.  junk: into the Junk boxes of those who have one."""

    message: Message
    junk: bool = False


# The id that it will have, as it came, and less what was forged in our name.  Raises whatever the door answers with.
Examine = Callable[[PostId, Message, Message], Awaitable[Examined]]
