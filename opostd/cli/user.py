"""``opostd user``: the people who can log in."""

import asyncio
from typing import TYPE_CHECKING

import click

from opostd.cli.common import (
    confirm,
    folded,
    json_option,
    now,
    print_rows,
    read_password,
    run_in_store,
    yes_option,
)
from opostd.cli.sizes import DEFAULT, Limit, shown
from opostd.config import Settings
from opostd.model.errors import NoSuchAddress
from opostd.model.records import Account, AccountState, AddressKind

if TYPE_CHECKING:
    from opostd.store.run import Store

stdin_option = click.option("--password-stdin", is_flag=True, help="The password is the first line of the input.")
generate_option = click.option("--generate", is_flag=True, help="Make a password and show it once.")


def _tag(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A language that we speak, as it is kept; ``none`` is the empty one."""
    from opostd.intake.tongues import TONGUES, known

    if not value:
        return value
    if value.lower() == "none":
        return ""
    if not known(value):
        raise click.BadParameter(f"{value} is none of {', '.join(sorted(TONGUES))}, nor none", context, parameter)
    return value


language_option = click.option(
    "--language", default="", callback=_tag, help="In which the person hears what became of messages: en, de, ..."
)


@click.group("user")
def command() -> None:
    """People who can log in."""


async def account_of(store: "Store", settings: Settings, address: str) -> Account:
    """The account behind the address of a person.  Raises NoSuchAddress."""
    from opostd.store import accounts

    addr = folded(address, settings)
    found = await store.run(accounts.address, addr)
    account = await store.run(accounts.account, found.owner) if found and found.kind is AddressKind.USER else None
    if account is None:
        raise NoSuchAddress(f"there is no user {addr}")
    return account


@command.command("add")
@click.argument("address")
@stdin_option
@generate_option
@click.option("--name", default="", help="The person's name, as mail shows it.")
@click.option("--admin", is_flag=True, help="May write to everyone.")
@language_option
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Join this group too; may be repeated.")
def add(
    address: str,
    password_stdin: bool,
    generate: bool,
    name: str,
    admin: bool,
    language: str,
    groups: tuple[str, ...],
) -> None:
    """Add somebody who can log in.

    Example: opostd user add anna@example.org --generate --group team
    """
    password, made = read_password(password_stdin, generate)

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.auth import passwords, scram
        from opostd.store import provision

        addr = folded(address, settings)
        joined = [folded(group, settings) for group in groups]
        await provision.ensure_system(store, settings.domains, now=now())
        secret = await asyncio.to_thread(passwords.hash_password, password)
        keys = await asyncio.to_thread(scram.packed, password, settings.auth.scram_iterations)
        account = await provision.add_user(
            store, addr, secret=secret, scram=keys, name=name, admin=admin, now=now(), language=language
        )
        for group in joined:
            await provision.join(store, group, account.owner, now=now())
        return account.login

    login = run_in_store(flow)
    words = [login, *([f"password {password}"] if made else []), *(["administrator"] if admin else [])]
    sources = ", ".join(f"{group} (from now)" for group in ("everyone", *groups))
    click.echo("   ".join([*words, f"subscribed to {sources}"]))


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Everybody who can log in.

    Example: opostd user list --json
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[str, str, int, int, str]]:
        from opostd.store import accounts, boxes

        found: list[tuple[str, str, int, int, str]] = []
        page = await store.run(accounts.accounts)
        while page:
            for each in page:
                inbox = await store.run(boxes.box_named, each.owner, "INBOX")
                status = await store.run(boxes.status, each.owner, inbox.box)
                state = each.state.name.lower() + (", administrator" if each.admin else "")
                found.append((each.login, each.name, status.messages, status.unseen, state))
            page = await store.run(accounts.accounts, page[-1].owner)
        return sorted(found)

    print_rows(("ADDRESS", "NAME", "INBOX", "UNREAD", "STATE"), run_in_store(flow), as_json)


@command.command("password")
@click.argument("address")
@stdin_option
@generate_option
def password(address: str, password_stdin: bool, generate: bool) -> None:
    """Give somebody a new password; the old one stops at once.

    Example: opostd user password anna --generate
    """
    new, made = read_password(password_stdin, generate)

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.auth import passwords, scram
        from opostd.store import accounts

        account = await account_of(store, settings, address)
        secret = await asyncio.to_thread(passwords.hash_password, new)
        keys = await asyncio.to_thread(scram.packed, new, settings.auth.scram_iterations)
        await store.run(accounts.set_secret, account.owner, secret, keys)
        return account.login

    login = run_in_store(flow)
    click.echo(f"{login}   password {new}" if made else f"{login}   password changed")


@command.command("language")
@click.argument("address")
@click.argument("tag", required=False, callback=_tag)
def language(address: str, tag: str | None) -> None:
    """Show, or set, the language in which somebody hears what became of their messages.

    TAG: en, de-AT and the like; none for not known, then each message tells, or the configuration.

    Example: opostd user language anna de
    """

    async def flow(store: "Store", settings: Settings) -> Account:
        from opostd.store import accounts

        account = await account_of(store, settings, address)
        if tag is not None:
            await store.run(accounts.set_language, account.owner, tag)
        return await account_of(store, settings, address)

    account = run_in_store(flow)
    click.echo(f"{account.login}   {account.language or 'not known'}")


@command.command("disable")
@click.argument("address")
def disable(address: str) -> None:
    """Let somebody log in no more, from now on; mail still arrives.

    Example: opostd user disable anna
    """
    click.echo(f"{_set_state(address, AccountState.DISABLED)}   disabled")


@command.command("enable")
@click.argument("address")
def enable(address: str) -> None:
    """Let somebody who was disabled log in again.

    Example: opostd user enable anna
    """
    click.echo(f"{_set_state(address, AccountState.ACTIVE)}   active")


def _set_state(address: str, state: AccountState) -> str:
    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import accounts

        account = await account_of(store, settings, address)
        await store.run(accounts.set_state, account.owner, state)
        return account.login

    return run_in_store(flow)


@command.command("delete")
@click.argument("address")
@yes_option
def delete(address: str, yes: bool) -> None:
    """Remove somebody with all boxes; posts that others have stay theirs.

    Example: opostd user delete anna -y
    """

    async def look(store: "Store", settings: Settings) -> tuple[Account, int]:
        from opostd.store import boxes

        account = await account_of(store, settings, address)
        each = [
            await store.run(boxes.status, account.owner, box.box) for box in await store.run(boxes.boxes, account.owner)
        ]
        return account, sum(status.messages for status in each)

    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.store import provision

        await provision.delete_user(store, account.login)

    account, messages = run_in_store(look)
    confirm(f"Delete {account.login} with {messages} messages?", yes)
    run_in_store(flow)
    click.echo(f"{account.login}   deleted with {messages} messages")


@command.command("quota")
@click.argument("address")
@click.option("--storage", type=Limit(octets=True), help="Of all mailboxes: 500MiB, 5GB, none, default.")
@click.option("--messages", type=Limit(octets=False), help="In all mailboxes: a number, none, default.")
@click.option("--recount", is_flag=True, help="Count what is there anew, and put right what is not.")
@json_option
def quota(address: str, storage: int | None, messages: int | None, recount: bool, as_json: bool) -> None:
    """Show what somebody has and may have, or set what they may.

    What a group or everyone was sent is charged to nobody.  default: what [quota] in the configuration says.

    Example: opostd user quota anna --storage 5GiB
    """

    async def flow(store: "Store", settings: Settings) -> tuple[list[tuple[str, int, int | None, str]], list[str]]:
        from opostd.store import boxes
        from opostd.store import quota as quotas

        account = await account_of(store, settings, address)
        own = await store.run(quotas.own, account.owner)
        wanted = quotas.Own(_changed(own.storage_octets, storage), _changed(own.messages, messages))
        if wanted != own:
            await store.run(quotas.set_own, account.owner, wanted)
        wrong: list[str] = []
        for box in await store.run(boxes.boxes, account.owner) if recount else ():
            found = await store.run(quotas.recount, account.owner, box.box)
            if found is not None:
                wrong.append(f"{box.name}: {found.was} was kept, {found.counted} is there (octets, messages)")
        limits, used = await store.run(quotas.quota, account.owner, settings.quota.limits)
        rows = [
            ("storage", used.octets, limits.storage_octets or None, _set_by(wanted.storage_octets)),
            ("messages", used.messages, limits.messages or None, _set_by(wanted.messages)),
            ("mailboxes", used.boxes, boxes.MAX_BOXES, "built in"),
        ]
        return rows, wrong

    rows, wrong = run_in_store(flow)
    for line in wrong:
        click.echo(f"put right: {line}", err=True)
    columns = ("RESOURCE", "USED", "LIMIT", "SET BY")
    if as_json:
        print_rows(columns, rows, as_json)
        return
    texts = [(name, *(shown(n) if name == "storage" and n is not None else n for n in (used, limit)), by)
             for name, used, limit, by in rows]  # fmt: skip
    print_rows(columns, texts, as_json)


def _changed(old: int | None, given: int | None) -> int | None:
    if given is None:
        return old
    return None if given == DEFAULT else given


def _set_by(own: int | None) -> str:
    return "configuration" if own is None else "account"
