"""``opostd sendmail``: for cron, mail(1) and scripts; linked as /usr/sbin/sendmail.

It writes into the store itself, so it works with the server running and stopped: a message that was taken is kept.
"""

import getpass
import re
import sys
from typing import TYPE_CHECKING

import click

from opostd.cli.common import folded, recipient_address, run_in_store
from opostd.cli.open_intake import open_intake
from opostd.cli.sendmail_flags import BadFlags, Flags, read_flags
from opostd.config import Settings
from opostd.model.errors import NoSuchAddress

if TYPE_CHECKING:
    from opostd.intake.intake import Intake
    from opostd.intake.message import Message
    from opostd.model.records import Account
    from opostd.store.run import Store


@click.command(
    "sendmail",
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    },
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-t] [-i] [-f ADDR] [-F NAME] [ADDR]...")
def command(words: tuple[str, ...]) -> None:
    """Send the message that is typed or piped in, header first, as other sendmails do.

    Knows -t -i -f -r -F -N -R -V and --; reads and forgets -o -b m -B -v and the like.  The sender is -f, else the
    name of this user, and must lead to one account here.

    Example: opostd sendmail -t < message.eml
    """
    try:
        flags = read_flags(words)
    except BadFlags as error:
        raise click.UsageError(str(error)) from error
    if not flags.from_header and not flags.recipients:
        raise click.UsageError("recipients are needed, or -t to take them from the header")

    async def flow(store: "Store", settings: Settings) -> None:
        async with open_intake(store, settings) as intake:
            await _submit(store, intake, settings, flags, read_message(flags, settings))

    run_in_store(flow)


def read_message(flags: Flags, settings: Settings) -> bytes:
    """The message on standard input, with CRLF line ends, up to its end or, where it counts, a line with a dot."""
    octets = sys.stdin.buffer.read(settings.limits.max_message_octets + 1)
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    if flags.dot_ends:
        octets = b"\r\n".join(octets.split(b"\r\n.\r\n", 1)[:1]) if not octets.startswith(b".\r\n") else b""
    return octets if not octets or octets.endswith(b"\r\n") else octets + b"\r\n"


async def _submit(store: "Store", intake: "Intake", settings: Settings, flags: Flags, raw: bytes) -> None:
    from dataclasses import replace

    from opostd.intake.addressing import specs
    from opostd.intake.intake import Trace
    from opostd.intake.message import read
    from opostd.model.mailing import NOT_SAID, Notify

    sender, account = await _sender(store, intake, settings, flags)
    message = read(raw, settings.limits)
    addresses = list(flags.recipients)
    if flags.from_header:
        addresses += [spec for name in (b"to", b"cc", b"bcc") for each in message.all(name) for spec in specs(each)]
    if not addresses:
        raise click.UsageError("the header names no recipient")
    notify = NOT_SAID
    for word in flags.notify.split(",") if flags.notify else ():
        try:
            notify |= Notify[word]
        except KeyError:
            raise click.UsageError("-N takes never, or a list of success, failure, delay") from None
    found = []
    for each in dict.fromkeys(recipient_address(address, settings) for address in addresses):
        recipient = await intake.recipient(each, account)
        found.append(replace(recipient, wish=replace(recipient.wish, notify=notify)))
    await intake.submit(
        with_author(message, sender, flags.name or account.name).octets,
        mail_from=sender,
        recipients=found,
        account=account,
        markdown=settings.submission.markdown,
        trace=Trace(),
        envid="".join(
            char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in flags.envid[:90]
        ),
        ret=flags.ret,
    )


async def _sender(store: "Store", intake: "Intake", settings: Settings, flags: Flags) -> "tuple[str, Account]":
    """The address of the envelope, and the one account that it leads to.  Raises NoSuchAddress."""
    from opostd.model.mailing import Target
    from opostd.store import accounts

    address = folded(flags.sender or getpass.getuser(), settings)
    places = await intake.route(address, None)
    owners = {place.owner for place in places if isinstance(place, Target) and not place.source}
    account = await store.run(accounts.account, owners.pop()) if len(owners) == len(places) == 1 else None
    if account is None:
        raise NoSuchAddress(f"{address} leads to no one account: give -f")
    return address, account


def with_author(message: "Message", sender: str, name: str) -> "Message":
    """With a From that has a domain: cron writes ``From: root``, and many scripts none at all."""
    from opostd.intake import words
    from opostd.intake.addressing import specs
    from opostd.intake.message import field

    authors = message.all(b"from")
    if authors and all("@" in spec for each in authors for spec in specs(each)):
        return message
    return message.without(lambda each: each.name == b"from").topped([field("From", words.mailbox(name, sender))])
