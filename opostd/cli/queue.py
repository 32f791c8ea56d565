"""``opostd queue``: what is accepted and not yet in its boxes."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option

if TYPE_CHECKING:
    pass

SHOWN = 1000


@click.group("queue")
def command() -> None:
    """What waits to be delivered."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """What waits, the next to be tried first; at most 1000.

    Example: opostd queue list
    """
