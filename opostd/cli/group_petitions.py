"""``opostd group petitions``: who asks to join a group that lets people in."""

from typing import TYPE_CHECKING, Any

import click

from opostd.cli.common import json_option, print_rows, run_in_store
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import when
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.records import Source

if TYPE_CHECKING:
    from opostd.store.run import Store


@click.group("petitions")
def petitions() -> None:
    """Who asks to join, and waits for an owner or moderator: list, accept, discard."""


@petitions.command("list")
@click.argument("group")
@json_option
def list_(group: str, as_json: bool) -> None:
    """Who waits, the longest first.

    Example: opostd group petitions list team
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[Any, ...]]:
        from opostd.store import petitions as asked

        rows = await store.run(asked.waiting, (await source_of(store, settings, group)).box)
        return [(row.address, when(row.created), when(row.expires)) for row in rows]

    print_rows(("ADDRESS", "SINCE", "UNTIL"), run_in_store(flow), as_json)


async def _source(store: "Store", settings: Settings, group: str) -> Source:
    from opostd.model.errors import NoSuchAddress
    from opostd.store import provision

    address = await source_of(store, settings, group)
    found = await store.run(provision.source, address.box)
    if found is None:
        raise NoSuchAddress(f"there is no group {address.addr}")
    return found


def _verb(name: str, done: str, text: str) -> None:
    @click.argument("group")
    @click.argument("address")
    @click.option("--as", "login", metavar="ADDR", help="With the rights of this owner or moderator.")
    def run(group: str, address: str, login: str | None) -> None:
        async def flow(store: "Store", settings: Settings) -> str:
            from opostd.store import petitions as asked

            by = None if login is None else await account_of(store, settings, login)
            source = await _source(store, settings, group)
            rows = await store.run(asked.waiting, source.box)
            wanted = address.lower()
            known = [row.address for row in rows if wanted in (row.address.lower(), row.address.partition("@")[0])]
            async with open_intake(store, settings) as intake:
                await intake.membership.decide(source, known[0] if known else address, by, accept=name == "accept")
            return f"{known[0]}   {done} {source.address}"

        click.echo(run_in_store(flow))

    run.__doc__ = f"{text}\n\nExample: opostd group petitions {name} team cara"
    petitions.command(name)(run)


_verb("accept", "joined", "Let somebody in.")
_verb("discard", "does not join", "Let somebody not in; they are told.")
