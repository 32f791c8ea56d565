"""``opostd subscription``: which source goes into which box of somebody, since when, and how far it is carried."""

import re
import time
from typing import TYPE_CHECKING, Any

import click

from opostd.cli.common import json_option, now, print_json, print_rows, run_in_store
from opostd.cli.queue import duration
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.ids import Uid
from opostd.nouns.times import day

if TYPE_CHECKING:
    from opostd.nouns.subscribed import Subscription
    from opostd.store.newcomers import From
    from opostd.store.run import Store

Listed = list[tuple[str, str, str, int, int]]
box_option = click.option("--box", default="INBOX", show_default=True, help="Which of their boxes.")


@click.group("subscription")
def command() -> None:
    """Subscriptions: list, lag, add, move, remove, sync."""


def since(text: str) -> "From":
    """``now``, ``start``, ``#17`` or a day.  Raises UsageError."""
    from opostd.store.newcomers import NOW, START, From

    if text in ("now", "start"):
        return NOW if text == "now" else START
    if re.fullmatch(r"#[1-9]\d{0,9}", text):
        return From(uid=Uid(int(text[1:]) - 1))
    begin = day(text)
    if begin is None:
        raise click.UsageError(f"--from: now, start, a post such as #17, or a day such as 2026-11-01, not {text!r}")
    return From(date=begin)


@command.command("list")
@click.argument("address")
@json_option
def list_(address: str, as_json: bool) -> None:
    """What somebody reads, into which box, from which post on, and how many posts are still to be carried.

    WAITS: since when the oldest of these.  The agent carries for whoever has looked at their mail lately (LOOKED).
    ASIDE: posts that the box has refused and that are tried again; opostd queue list tells more.

    Example: opostd subscription list anna
    """

    async def flow(store: "Store", settings: Settings) -> "list[Subscription]":
        from opostd.nouns import subscribed

        return await subscribed.listing(store, (await account_of(store, settings, address)).owner, now())

    found = run_in_store(flow)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.group,
            each.box,
            each.since,
            f"#{each.watermark}",
            each.behind,
            None if each.waits_s is None else duration(each.waits_s),
            each.aside,
            None if each.looked is None else each.looked[:10],
            each.state,
        )
        for each in found
    ]
    columns = ("SOURCE", "BOX", "SINCE", "WATERMARK", "BEHIND", "WAITS", "ASIDE", "LOOKED", "STATE")
    print_rows(columns, rows, False)


@command.command("lag")
@json_option
def lag(as_json: bool) -> None:
    """How far the agent is behind, for all who look at their mail these days: empty where it is not.

    BOXES are not up to date; POSTS wait for the last of them, the first since WAITS.  --json has seconds.

    Example: opostd subscription lag --json
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[Any, ...]]:
        from opostd.store import lag, sources

        addresses = {each.box: each.address for each in await store.run(sources.sources)}
        since = now() - settings.agent.active_days * 24 * 3600
        return [
            (addresses.get(each.source, "?"), each.boxes, each.posts, max(now() - each.oldest, 0))
            for each in await store.run(lag.lag, since)
        ]

    rows = run_in_store(flow)
    shown = rows if as_json else [(*row, duration(waits)) for *row, waits in rows]
    print_rows(("SOURCE", "BOXES", "POSTS", "WAITS"), shown, as_json)


@command.command("add")
@click.argument("group")
@click.argument("address")
@click.option("--from", "start", default="", help="now, start, #17 or 2026-11-01; otherwise as the group has it.")
@box_option
def add(group: str, address: str, start: str, box: str) -> None:
    """Let somebody read a group, with posts from before if they are to have them; may be given later, too.

    A box that is not there is made.  Posts that the box has already do not come twice.

    Example: opostd subscription add team anna --from start --box Lists/team
    """
    begin = since(start) if start else None

    async def flow(store: "Store", settings: Settings) -> tuple[str, str, int]:
        from opostd.store import provision

        source, account = await source_of(store, settings, group), await account_of(store, settings, address)
        rows = await provision.subscribe(store, source.addr, account.owner, box=box, since=begin, now=now())
        return account.login, source.addr, rows

    login, addr, rows = run_in_store(flow)
    click.echo(f"{login}   reads {addr} in {box}; {_posts(rows)} carried")


@command.command("move")
@click.argument("group")
@click.argument("address")
@click.argument("box")
def move(group: str, address: str, box: str) -> None:
    """Let a group go into another box from now on; what has come stays where it is.

    Example: opostd subscription move team anna Lists/team
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, str]:
        from opostd.store import provision

        source, account = await source_of(store, settings, group), await account_of(store, settings, address)
        await provision.move_subscription(store, source.addr, account.owner, box, now())
        return account.login, source.addr

    login, addr = run_in_store(flow)
    click.echo(f"{login}   reads {addr} in {box} from now on")


@command.command("remove")
@click.argument("group")
@click.argument("address")
@box_option
def remove(group: str, address: str, box: str) -> None:
    """Let a group go into this box no more; what was received stays.  With the last box they have left the group.

    Example: opostd subscription remove team anna --box Lists/team
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, str]:
        from opostd.store import provision

        source, account = await source_of(store, settings, group), await account_of(store, settings, address)
        await provision.unsubscribe(store, source.addr, account.owner, box, now())
        return account.login, source.addr

    login, addr = run_in_store(flow)
    click.echo(f"{login}   reads {addr} in {box} no more")


@command.command("sync")
@click.argument("address", default="")
@click.option("--all", "everybody", is_flag=True, help="Everybody's boxes.")
def sync(address: str, everybody: bool) -> None:
    """Carry now what is pending, into all boxes of somebody, or of everybody.

    Example: opostd subscription sync anna
    """
    if bool(address) == everybody:
        raise click.UsageError("an address is needed, or --all")

    async def flow(store: "Store", settings: Settings) -> tuple[int, int]:
        from opostd.store import accounts, subscriptions
        from opostd.store import sync as sync_

        if everybody:
            owners = []
            page = await store.run(accounts.accounts)
            while page:
                owners += [each.owner for each in page]
                page = await store.run(accounts.accounts, page[-1].owner)
        else:
            owners = [(await account_of(store, settings, address)).owner]
        count = rows = 0
        for owner in owners:
            found = await store.run(subscriptions.of_owner, owner)
            count += len(found)
            for target in sorted({each.target for each in found}):
                rows += await sync_.bring_up(store, owner, target, now=now())
        return count, rows

    begun = time.monotonic()
    count, rows = run_in_store(flow)
    subscriptions = "1 subscription" if count == 1 else f"{count} subscriptions"
    click.echo(f"synced {subscriptions}: {_posts(rows)} delivered in {time.monotonic() - begun:.2f} s")


def _posts(count: int) -> str:
    return "1 post" if count == 1 else f"{count} posts"
