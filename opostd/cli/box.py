"""``opostd box``: the boxes of somebody, or the sources that all read."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option, now, print_rows, run_in_store
from opostd.cli.user import account_of
from opostd.config import Settings

if TYPE_CHECKING:
    from opostd.store.run import Store

Row = tuple[str, str, int, int | None, int | None]


@click.group("box")
def command() -> None:
    """Boxes: list."""


@command.command("list")
@click.argument("address", default="")
@click.option("--all", "everybody", is_flag=True, help="The groups, and the INBOX of everybody.")
@json_option
def list_(address: str, everybody: bool, as_json: bool) -> None:
    """The boxes of somebody; without an address the groups.

    Example: opostd box list anna
    """
    if address and everybody:
        raise click.UsageError("an address, or --all")

    async def flow(store: "Store", settings: Settings) -> list[Row]:
        if address:
            return await _of_person(store, (await account_of(store, settings, address)).owner)
        return [*await _sources(store), *(await _inboxes(store) if everybody else [])]

    columns = ("BOX", "KIND", "POSTS", "UNREAD", "SUBSCRIBERS")
    print_rows(columns, run_in_store(flow), as_json)


async def _of_person(store: "Store", owner: int) -> list[Row]:
    from opostd.model.ids import OwnerId
    from opostd.store import boxes, sync

    found: list[Row] = []
    for box in await store.run(boxes.boxes, OwnerId(owner)):
        await sync.bring_up(store, box.owner, box.box, now=now())
        status = await store.run(boxes.status, box.owner, box.box)
        found.append((box.name, box.role.lower() or "box", status.messages, status.unseen, None))
    return found


async def _sources(store: "Store") -> list[Row]:
    from opostd.model.ids import SYSTEM_OWNER
    from opostd.store import boxes, reach, sources

    found: list[Row] = []
    for source in await store.run(sources.sources):
        status = await store.run(boxes.status, SYSTEM_OWNER, source.box)
        kind = "broadcast" if source.address.startswith("everyone@") else "group"
        readers = await store.run(reach.subscribers, source.box)
        found.append((source.address, kind, status.messages, None, readers))
    return found


async def _inboxes(store: "Store") -> list[Row]:
    from opostd.store import accounts, boxes

    found: list[Row] = []
    page = await store.run(accounts.accounts)
    while page:
        for each in page:
            inbox = await store.run(boxes.box_named, each.owner, "INBOX")
            status = await store.run(boxes.status, each.owner, inbox.box)
            found.append((each.login, "user", status.messages, status.unseen, None))
        page = await store.run(accounts.accounts, page[-1].owner)
    return sorted(found)
