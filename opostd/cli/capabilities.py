"""``opostd capabilities``: what the doors speak, from the tables that announce it."""

import click

from opostd.cli.common import json_option, print_rows


@click.command("capabilities")
@json_option
def command(as_json: bool) -> None:
    """Each extension of IMAP and SMTP that is announced, its RFC, and where this server differs from it.

    Example: opostd capabilities
    """
    from opostd.imap.extensions import EXTENSIONS as IMAP
    from opostd.smtp.extensions import EXTENSIONS as SMTP
    from opostd.smtp.extensions import DoorKind, Offer

    rows = [("IMAP", each.capability, each.rfc, each.deviation) for each in IMAP]
    offers = [
        Offer(DoorKind.SUBMISSION, secure, tls=True, login=True, max_message_octets=1, max_recipients=1)
        for secure in (True, False)
    ]
    rows += [("SMTP", each.keyword, each.rfc, each.deviation) for each in SMTP if any(map(each.announce, offers))]
    if as_json:
        print_rows(("DOOR", "EXTENSION", "RFC", "DEVIATION"), rows, as_json)
        return
    for door, extension, rfc, deviation in rows:
        click.echo(f"{door}  {extension:22} {rfc}")
        if deviation:
            click.echo(click.wrap_text(deviation, 110, initial_indent=" " * 6, subsequent_indent=" " * 6))
