"""``opostd group``: sources that members read, one row for each post whatever their number."""

from typing import TYPE_CHECKING

import click

from opostd.cli import group_outside
from opostd.cli.common import confirm, folded, json_option, names, now, print_rows, run_in_store, yes_option
from opostd.cli.group_held import held
from opostd.cli.group_petitions import petitions
from opostd.cli.group_rights import role, role_names
from opostd.cli.group_settings import reopen, set_, show
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.records import AddressKind, MemberRole, PostPolicy

if TYPE_CHECKING:
    from opostd.store.run import Store

policy_option = click.Choice([policy.name.lower() for policy in PostPolicy], case_sensitive=False)


@click.group("group")
def command() -> None:
    """Groups: what is sent to one reaches each member, from the day they joined."""


for _each in (role, set_, show, held, petitions, reopen, group_outside.resume, group_outside.bounces):
    command.add_command(_each)


@command.command("add")
@click.argument("address")
@click.option("--members", default="", metavar="A,B", help="Who reads it, separated by commas.")
@click.option("--post", type=policy_option, default="members", show_default=True, help="Who may send to it.")
@click.option("--title", default="", help="What the group is called.")
def add(address: str, members: str, post: str, title: str) -> None:
    """Make a group.

    Example: opostd group add team --members anna,bob --post members
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, int]:
        from opostd.store import provision

        addr = folded(address, settings)
        elsewhere = [(name, group_outside.elsewhere(name, settings)) for name in names(members)]
        accounts = [await account_of(store, settings, name) for name, outside in elsewhere if outside is None]
        owners = list(dict.fromkeys(account.owner for account in accounts))
        await provision.ensure_system(store, settings.domains, now=now())
        policy = PostPolicy[post.upper()]
        await provision.add_group(store, addr, title=title, members=owners, post=policy, now=now())
        away = list(dict.fromkeys(outside for _, outside in elsewhere if outside is not None))
        for outside in away:
            await group_outside.join(store, await source_of(store, settings, addr), outside)
        return addr, len(owners) + len(away)

    addr, count = run_in_store(flow)
    click.echo(f"{addr}   {count} members, {post.lower()} may post")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every group, and `everyone`.

    Example: opostd group list
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[str, str, str, int, int]]:
        from opostd.model.ids import SYSTEM_OWNER
        from opostd.store import boxes, sources

        found = []
        for source in await store.run(sources.sources):
            members = await store.run(sources.members, source.box)
            readers = sum(1 for each in members if each.role & MemberRole.READER)
            posts = (await store.run(boxes.status, SYSTEM_OWNER, source.box)).messages
            found.append((source.address, source.title, source.post.name.lower(), readers, posts))
        return found

    print_rows(("ADDRESS", "TITLE", "WHO MAY POST", "MEMBERS", "POSTS"), run_in_store(flow), as_json)


async def inner_group(store: "Store", settings: Settings, address: str) -> str | None:
    """The address, where it is a group's, which may be a member of another."""
    from opostd.store import accounts

    found = await store.run(accounts.address, folded(address, settings))
    return found.addr if found is not None and found.kind is AddressKind.SOURCE else None


@command.command("join")
@click.argument("group")
@click.argument("address")
def join(group: str, address: str) -> None:
    """Let somebody, or all of another group, read a group, from now on; who is elsewhere gets copies by mail.

    Example: opostd group join team cara
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, str]:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        if (outside := group_outside.elsewhere(address, settings)) is not None:
            await group_outside.join(store, source, outside)
            return outside, source.addr
        if (inner := await inner_group(store, settings, address)) is not None:
            await provision.nest(store, source.addr, inner)
            return inner, source.addr
        account = await account_of(store, settings, address)
        await provision.join(store, source.addr, account.owner, now=now())
        return account.login, source.addr

    login, addr = run_in_store(flow)
    click.echo(f"{login}   joined {addr}")


@command.command("leave")
@click.argument("group")
@click.argument("address")
def leave(group: str, address: str) -> None:
    """Let somebody, or another group, read a group no more; what was received stays.

    Example: opostd group leave team cara
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, str]:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        if (outside := group_outside.elsewhere(address, settings, sends=False)) is not None:
            await group_outside.leave(store, source, outside)
            return outside, source.addr
        if (inner := await inner_group(store, settings, address)) is not None:
            await provision.unnest(store, source.addr, inner)
            return inner, source.addr
        account = await account_of(store, settings, address)
        await provision.leave(store, source.addr, account.owner)
        return account.login, source.addr

    login, addr = run_in_store(flow)
    click.echo(f"{login}   left {addr}")


@command.command("members")
@click.argument("group")
@json_option
def members(group: str, as_json: bool) -> None:
    """Who reads a group, and who is its owner, moderator or named sender; who is elsewhere, and whether mail came back.

    Example: opostd group members team
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[str, str]]:
        from opostd.store import nesting, provision, sources

        source = await source_of(store, settings, group)
        found = await store.run(provision.members, source.box)
        addresses = {each.box: each.address for each in await store.run(sources.sources)}
        inner = [addresses[box] for box in await store.run(nesting.members, source.box) if box in addresses]
        people = sorted((each.address, role_names(each.role)) for each in found)
        away = await group_outside.members(store, source)
        return [*people, *((addr, "group") for addr in sorted(inner)), *away]

    print_rows(("ADDRESS", "ROLE"), run_in_store(flow), as_json)


@command.command("policy")
@click.argument("group")
@click.argument("post", type=policy_option)
def policy(group: str, post: str) -> None:
    """Say who may send to a group.

    Example: opostd group policy team local
    """

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        await provision.set_policy(store, source.addr, PostPolicy[post.upper()])
        return source.addr

    click.echo(f"{run_in_store(flow)}   {post.lower()} may post")


@command.command("history")
@click.argument("group")
@click.argument("since")
def history(group: str, since: str) -> None:
    """Say what those who join later get of before: none, all, or a day from which on.

    Example: opostd group history team 2026-11-01
    """
    from opostd.nouns.times import day
    from opostd.store.newcomers import FROM_JOIN

    begin = {"none": FROM_JOIN, "all": 0}.get(since)
    if begin is None:
        begin = day(since)
    if begin is None:
        raise click.UsageError(f"none, all, or a day such as 2026-11-01, not {since!r}")

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        await provision.set_history(store, source.addr, begin)
        return source.addr

    click.echo(f"{run_in_store(flow)}   newcomers get posts from before: {since}")


@command.command("expiry")
@click.argument("group")
@click.argument("days", type=click.IntRange(0, 36500))
def expiry(group: str, days: int) -> None:
    """Let what is posted from now on end after so many days; 0 for never.

    It then leaves boxes where it was neither flagged nor moved. An author who has logged in may say an earlier time in
    the field Expires.

    Example: opostd group expiry team 30
    """

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        await provision.set_expiry(store, source.addr, days * 86400)
        return source.addr

    click.echo(f"{run_in_store(flow)}   posts end after {days} days" if days else f"{run_in_store(flow)}   posts stay")


@command.command("delete")
@click.argument("group")
@yes_option
def delete(group: str, yes: bool) -> None:
    """Remove a group; what its members have received stays theirs.

    Example: opostd group delete team -y
    """

    async def look(store: "Store", settings: Settings) -> tuple[str, int]:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        return source.addr, len(await store.run(provision.members, source.box))

    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.store import provision

        await provision.delete_group(store, addr)

    addr, count = run_in_store(look)
    confirm(f"Delete {addr} with {count} members?", yes)
    run_in_store(flow)
    click.echo(f"{addr}   deleted")
