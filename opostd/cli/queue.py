"""``opostd queue``: what is accepted and not yet in its boxes."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option, now, print_rows, run_in_store
from opostd.config import Settings

if TYPE_CHECKING:
    from opostd.store.run import Store

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
