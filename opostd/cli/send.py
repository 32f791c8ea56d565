"""``opostd send``: a message written in Markdown, through the same intake as everything that arrives."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opostd.cli.common import config_path, recipient_address, run_in_store
from opostd.cli.open_intake import open_intake
from opostd.cli.user import account_of
from opostd.config import Settings

if TYPE_CHECKING:
    from opostd.store.run import Store

MAX_INPUT_OCTETS = 64 * 1024 * 1024  # before the limit of the settings is even looked at


@click.command("send")
@click.option("--from", "sender", metavar="ADDR", help="Who sends; in the demo: test.")
@click.option("--to", "recipients", multiple=True, required=True, metavar="ADDR", help="May be repeated.")
@click.option("--subject", default="", help="One line.")
@click.argument("file", default="-", metavar="[FILE]", type=click.Path(allow_dash=True))
def command(sender: str | None, recipients: tuple[str, ...], subject: str, file: str) -> None:
    """Send a message written in Markdown: a file, or what is typed.

    Example: opostd send --from anna --to team --subject Deploy notes.md
    """
    if sender is None and config_path() is not None:
        raise click.UsageError("--from is needed: who sends?")
    text = _read(file)

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.intake.draft import draft
        from opostd.intake.intake import Trace
        from opostd.model.ids import post_id_text
        from opostd.model.mailing import Outside, Target

        account = await account_of(store, settings, sender or "test")
        async with open_intake(store, settings) as intake:
            to = [recipient_address(each, settings) for each in recipients]
            found = [await intake.recipient(each, account) for each in to]
            raw = draft(text, sender=account.login, name=account.name, to=to, subject=subject)
            post = await intake.submit(
                raw,
                mail_from=account.login,
                recipients=found,
                account=account,
                markdown=True,
                trace=Trace(),
            )
            places = {place for each in found for place in each.places}
            remote = sum(isinstance(place, Outside) for place in places)
            boxes = [place for place in places if isinstance(place, Target)]
            waits = sum(place.held for place in boxes)
            said = f"queued {post_id_text(post)}: {len(boxes) - waits} boxes, {remote} remote"
            return f"{said}, {waits} waiting for a moderator" if waits else said

    click.echo(run_in_store(flow))


def _read(file: str) -> str:
    """The text, with line ends as typed.  Raises UsageError."""
    try:
        octets = sys.stdin.buffer.read(MAX_INPUT_OCTETS) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from error
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is not UTF-8 text (octet {error.start})") from error
