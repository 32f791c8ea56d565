"""Who wrote a submission: every address in From and Sender is the account's own.

RFC 5322 3.6.2, RFC 6409 6.1 (a submission server may demand it); security.md 1.3.  What must stay true: whatever other
programs may read as the author was looked at; being an administrator lends nobody another's address.
"""

from collections.abc import Awaitable, Callable

from opostd.intake.message import Field, Message
from opostd.mime.addresses import MISSING_DOMAIN, MISSING_MAILBOX, addresses
from opostd.model.errors import BadMessage, NotAllowed

MAX_AUTHORS = 20  # more authors with a login here than any letter has, and each may cost a look-up


async def check_authors(message: Message, owns: Callable[[str], Awaitable[bool]]) -> None:
    """Raises BadMessage where From cannot be read or stands twice, NotAllowed where it is somebody else's.

    owns: whether an address, as written, belongs to the account.  A missing From is no fault here: it is added.
    """
    authors = message.all(b"from")
    senders = message.all(b"sender")
    if len(authors) > 1:
        raise BadMessage("more than one From field")
    if len(senders) > 1:
        raise BadMessage("more than one Sender field")
    specs = dict.fromkeys(spec for field in (*authors, *senders) for spec in _specs(field))
    if len(specs) > MAX_AUTHORS:
        raise BadMessage(f"over {MAX_AUTHORS} authors")
    for spec in specs:
        if not await owns(spec):
            raise NotAllowed("From or Sender is not an address of this login")


def _specs(field: Field) -> list[str]:
    """The addresses of a From or Sender as written, not decoded.  Raises BadMessage where one is none, or half."""
    found: list[str] = []
    for entry in addresses(field.value, MAX_AUTHORS + 2):
        if entry.host is None:
            continue  # the border of a group (RFC 6854 allows one in From)
        if entry.mailbox in (None, MISSING_MAILBOX) or entry.host == MISSING_DOMAIN:
            raise BadMessage(f"{field.name.decode('ascii').capitalize()} is no address")
        assert entry.mailbox is not None
        try:
            found.append((entry.mailbox + b"@" + entry.host).decode())
        except UnicodeDecodeError:
            raise BadMessage("an address in the header is not UTF-8") from None
    if not found:
        raise BadMessage(f"{field.name.decode('ascii').capitalize()} has no address")
    return found
