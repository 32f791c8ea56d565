"""``opostd migrate``: the tables of the three groups."""

import asyncio

import click

from opostd.cli.common import json_option, now, print_rows, read_settings
from opostd.config import Settings


@click.group("migrate")
def command() -> None:
    """The tables of the database."""


@command.command("up")
def up() -> None:
    """Make the tables, or bring them up to what this version needs.  Safe to run again.

    Example: opostd --config opostd.toml migrate up
    """
    from opostd.store import migrate

    settings = read_settings()
    settings.data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    steps = migrate.up(settings.store)
    asyncio.run(_system(settings))
    for step in steps:
        click.echo(step)
    if not steps:
        click.echo("nothing to do: the tables are this version's")


async def _system(settings: Settings) -> None:
    """The system's account, and `everyone` of each domain."""
    from opostd.store import provision
    from opostd.store.run import Store

    store = Store(settings.store)
    try:
        await provision.ensure_system(store, settings.domains, now=now())
    finally:
        await store.close()


@command.command("status")
@json_option
def status(as_json: bool) -> None:
    """Which schema each group of tables has, and which this version needs.

    Example: opostd --config opostd.toml migrate status
    """
    from opostd.store import migrate

    rows = [
        (each.group, each.found, each.wanted, each.found == each.wanted)
        for each in migrate.status(read_settings().store)
    ]
    print_rows(("GROUP", "SCHEMA", "NEEDED", "OK"), rows, as_json)
