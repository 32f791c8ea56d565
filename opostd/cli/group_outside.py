"""Members of a group who are elsewhere: who they are, who hears of their bounces, and who gets mail again."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import Failure, recipient_address, run_in_store
from opostd.cli.errors import EX_NOUSER
from opostd.cli.source import source_of
from opostd.config import Settings
from opostd.model.records import Address

if TYPE_CHECKING:
    from opostd.store.run import Store


def elsewhere(address: str, settings: Settings, *, sends: bool = True) -> str | None:
    """The address, where it is in no domain of ours.  Raises BadAddress; Failure where nothing leaves, if it is to."""
    domain = address.strip().rpartition("@")[2].lower().removesuffix(".")
    if "@" not in address or domain in settings.domains:
        return None
    if sends and settings.relay.via == "off":
        raise Failure(EX_NOUSER, f"{address.strip()} is elsewhere, and no mail leaves: set [relay] via")
    from opostd.store.accounts import outside

    return outside(address.strip()).address


async def join(store: "Store", group: Address, address: str) -> None:
    """Somebody elsewhere gets what is sent from now on; again is no error.  Raises LimitReached."""
    from opostd.model.new_ids import new_token
    from opostd.store import outside

    await store.run(outside.add, group.box, address, new_token())


async def leave(store: "Store", group: Address, address: str) -> None:
    """Raises NoSuchAddress, where they are no member."""
    from opostd.model.errors import NoSuchAddress
    from opostd.store import outside

    if not await store.run(outside.remove, group.box, address):
        raise NoSuchAddress(f"{address} is not in {group.addr}")


async def members(store: "Store", group: Address) -> list[tuple[str, str]]:
    """Addresses, and in words what is with them."""
    from opostd.store import outside

    found = await store.run(outside.members, group.box)
    return [(each.address, "outside" + _in_words(each.bounces, each.paused)) for each in found]


def _in_words(bounces: int, paused: bool) -> str:
    days = f"{bounces} day{'' if bounces == 1 else 's'}"
    return (f", paused after {days} of bounces" if paused else f", bounced on {days}") if bounces else ""


@click.command("resume")
@click.argument("group")
@click.argument("address")
def resume(group: str, address: str) -> None:
    """Send to a member elsewhere again, who was paused because mail came back.

    Example: opostd group resume team who@example.com
    """

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.model.errors import NoSuchAddress
        from opostd.store import outside

        source = await source_of(store, settings, group)
        if not await store.run(outside.resume, source.box, address.strip()):
            raise NoSuchAddress(f"{address} is not in {source.addr}")
        return source.addr

    click.echo(f"{address.strip()}   gets mail of {run_in_store(flow)}")


@click.command("bounces")
@click.argument("group")
@click.argument("address")
def bounces(group: str, address: str) -> None:
    """Say where mail goes that comes back from members elsewhere: an address, or "owners".

    Owners are those with that role, and postmaster where there is none. The author of a message never hears of it.

    Example: opostd group bounces team anna
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, str]:
        from opostd.store import sources

        source = await source_of(store, settings, group)
        to = "" if address == "owners" else recipient_address(address, settings)
        await store.run(sources.set_bounces_to, source.box, to)
        return source.addr, to or "its owners"

    addr, to = run_in_store(flow)
    click.echo(f"{addr}   bounces go to {to}")
