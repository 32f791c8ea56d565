"""What can go wrong, in words that know no wire.

Each door has one table, ``faults.py``, from these types to its replies.  ``Refused`` is the answer no, said to
the peer; ``Unavailable`` is not now, detailed in the log only; anything else is our bug.
"""


class OpostError(Exception):
    """The root of all errors of this project."""


class BadSyntax(OpostError):
    """The peer broke the grammar.  offset: octets into the command; expected: what would have been right."""

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(f"expected {expected} at octet {offset}")
        self.offset = offset
        self.expected = expected


class Refused(OpostError):
    """The answer is no, and the text says why, to the peer."""


class NoSuchBox(Refused):
    """The box is not there, or is not this owner's: the two are never told apart."""


class NoSuchMessage(Refused):
    """The message is not in the box, or not any more."""


class BoxExists(Refused):
    """A box of that name is there already."""


class BadBoxName(Refused):
    """The name cannot be a box: control characters, wildcards, too long, too deep."""


class NotAllowed(Refused):
    """The one who asks may not do this."""


class Explained(NotAllowed):
    """The one who asks may not do this, and the text, which the peer is told, says why in words for a person."""


class LacksRight(Refused):
    """A box that the one who asks may know of, and not do this with (RFC 4314 4)."""


class Later(Refused):
    """Not now, of this one; the text, which the peer is told, says until when."""


class NoSuchAddress(Refused):
    """Nobody here has this address."""


class AddressTaken(Refused):
    """The address belongs to somebody already."""


class GroupCycle(Refused):
    """A group would be a member of itself, by way of others."""


class BadAddress(Refused):
    """The text is no mail address of this server."""


class TooBig(Refused):
    """A message, or a box, over its limit."""


class BadMessage(Refused):
    """A message that cannot be kept as it is: NUL, bare CR or LF, an impossible header."""


class HasNul(BadMessage):
    """A message with NUL in it, which no IMAP client could be shown."""


class BadHeader(BadMessage):
    """A header of too many lines."""


class MailLoop(BadMessage):
    """A message that has passed so many servers that it must be going in a circle (RFC 5321 6.3)."""


class LostPost(Refused):
    """A box has a row of a post that the store does not have: a damaged database."""


class NoSuchPost(Refused):
    """There is no post of that id, or that number."""


class LoginFailed(Refused):
    """Wrong name or wrong password, or a disabled account: never told apart."""


class BadPassword(Refused):
    """The text cannot be a password: empty, too long, or with control characters in it."""


class LimitReached(Refused):
    """More of something than one user may have."""


class TooManyAnnotations(LimitReached):
    """More annotations of one mailbox, or of the server, than there may be."""


class OverQuota(LimitReached):
    """An account would have more octets or messages than it may."""


class Unavailable(OpostError):
    """Not now: a fault that passes.  The detail is for the log."""


class DiskFull(Unavailable):
    """The store cannot write for want of space."""


class SchemaMismatch(OpostError):
    """The database's schema is older or newer than this program's.  found, wanted: revision names."""

    def __init__(self, group: str, found: str | None, wanted: str) -> None:
        super().__init__(f"schema of {group}: found {found or 'nothing'}, this version needs {wanted}")
        self.group = group
        self.found = found
        self.wanted = wanted


class BadSettings(OpostError):
    """The configuration cannot be used.  problems: whole sentences, each with file, line and key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
