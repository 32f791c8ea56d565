"""``opostd alias``: other names of addresses."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import folded, now, recipient_address, run_in_store
from opostd.config import Settings
from opostd.model.errors import BadAddress, NoSuchAddress

if TYPE_CHECKING:
    from opostd.store.run import Store


@click.group("alias")
def command() -> None:
    """Other names of addresses."""


@command.command("add")
@click.argument("address")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
def add(address: str, targets: tuple[str, ...]) -> None:
    """Let mail for an address go to others.

    Example: opostd alias add sales@example.org anna bob
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, list[str]]:
        from opostd.store import accounts, provision

        addr, found = folded(address, settings), [recipient_address(target, settings) for target in targets]
        for target in found:
            if " " in target:
                raise BadAddress(f"an alias cannot lead to {target}: no spaces")
            ours = target.rpartition("@")[2] in settings.domains
            if ours and await store.run(accounts.address, target) is None:
                raise NoSuchAddress(f"there is no address {target}")
        await provision.ensure_system(store, settings.domains, now=now())
        await provision.add_alias(store, addr, found)
        return addr, found

    addr, found = run_in_store(flow)
    click.echo(f"{addr}   goes to {', '.join(found)}")
