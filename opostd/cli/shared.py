"""``opostd shared``: boxes that several use, nobody's or a person's, and who may do what with them (RFC 4314).

Names are those below ``Shared/`` that readers see: ``team``, ``team/2026``, ``anna@example.org/Plans``.
"""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import confirm, json_option, now, print_rows, run_in_store, yes_option
from opostd.config import Settings
from opostd.model.errors import NotAllowed
from opostd.model.rights import LETTERS, NO_RIGHTS, Change, Grantee, GranteeKind, Rights, letters_of, rights_of

if TYPE_CHECKING:
    from opostd.model.records import Box
    from opostd.store.run import Store

WORDS = {"read": "lrs", "write": "lrswite", "manage": "lrswitekx", "all": "lrswipkxtea"}
"""What is mostly meant: read and mark as read; add, change, remove messages; make and remove boxes; share them on."""

deny_option = click.option("--deny", is_flag=True, help="Take it away, though the person's groups may have it.")
below_option = click.option("--below", is_flag=True, help="Of the boxes below it too.")


@click.group("shared")
def command() -> None:
    """Boxes that several use: create, list, grant, revoke, delete."""


def rights_from(text: str) -> Rights:
    """``read``, or letters.  Raises UsageError."""
    try:
        return rights_of(WORDS.get(text, text))
    except ValueError:
        words = ", ".join(WORDS)
        raise click.UsageError(f"rights are {words}, or letters of {LETTERS}, not {text!r}") from None


@command.command("create")
@click.argument("name")
@click.option("--grant", "grants", multiple=True, metavar="WHO=RIGHTS", help="For whom it is; may be repeated.")
def create(name: str, grants: tuple[str, ...]) -> None:
    """Make a box that is nobody's; one below another gets what that one grants.

    WHO is a person, a group, or anyone. RIGHTS are read, write, manage, all, or letters of RFC 4314.

    Example: opostd shared create team --grant team@example.org=write --grant anna=all
    """
    if missing := [each for each in grants if "=" not in each]:
        raise click.UsageError(f"WHO=RIGHTS, such as anna=read, not {missing[0]!r}")
    wanted = [(who, rights_from(rights)) for who, _, rights in (each.rpartition("=") for each in grants)]

    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.intake.sharing import box_at, grantee_named
        from opostd.store import acl, boxes, provision, shared
        from opostd.store.names import SEPARATOR

        await provision.ensure_system(store, settings.domains, now=now())
        entries = [(await grantee_named(store, settings.domains, who), rights) for who, rights in wanted]
        first, below, _ = name.partition(SEPARATOR)
        if below:
            owner = (await box_at(store, settings.domains, first)).owner
            box = await store.run(boxes.create, owner, name, "", now())
        else:
            box = await store.run(shared.add_tree, name, now())
        for grantee, rights in entries:
            await store.run(acl.change, box.owner, box.box, grantee, Change.REPLACE, rights)

    run_in_store(flow)
    said = [f"{who} {letters_of(rights)}" for who, rights in wanted] or ["nobody sees it yet: opostd shared grant"]
    click.echo("   ".join([f"Shared/{name}", *said]))


@command.command("list")
@click.argument("address", default="")
@json_option
def list_(address: str, as_json: bool) -> None:
    """Every box that is nobody's, or what a person shares, and with whom.

    Example: opostd shared list anna
    """

    async def flow(store: "Store", settings: Settings) -> list[tuple[str, int, str | None, str | None]]:
        from opostd.cli.user import account_of
        from opostd.store import acl, boxes, shared

        if address:
            account = await account_of(store, settings, address)
            owners = [(f"{account.login}/", account.owner)]
        else:
            owners = [("", tree.owner) for tree in await store.run(shared.trees)]
        found: list[tuple[str, int, str | None, str | None]] = []
        for prefix, owner in owners:
            for box in await store.run(boxes.boxes, owner):
                entries = await store.run(acl.named, owner, box.box)
                if address and not entries:
                    continue
                messages = (await store.run(boxes.status, owner, box.box)).messages
                rows: list[tuple[str | None, str | None]] = []
                rows += [(each.name, letters_of(each.granted)) for each in entries if each.granted]
                rows += [("-" + each.name, letters_of(each.denied)) for each in entries if each.denied]
                found += [(prefix + box.name, messages, who, letters) for who, letters in rows or [(None, None)]]
        return found

    print_rows(("NAME", "POSTS", "WHO", "RIGHTS"), run_in_store(flow), as_json)


@command.command("grant")
@click.argument("name")
@click.argument("who")
@click.argument("rights")
@deny_option
@below_option
def grant(name: str, who: str, rights: str, deny: bool, below: bool) -> None:
    """Say what a person, a group, or anyone may do with a box, in place of what was said before.

    RIGHTS are read, write, manage, all, or letters of RFC 4314.

    Example: opostd shared grant team/2026 board@example.org write
    """
    letters = _change(name, who, rights_from(rights), below, (deny,))
    click.echo(f"Shared/{name}   {'-' if deny else ''}{who} {letters}")


@command.command("revoke")
@click.argument("name")
@click.argument("who")
@below_option
def revoke(name: str, who: str, below: bool) -> None:
    """Take out of a box's list what it says of a person, a group, or anyone; open sessions end.

    Example: opostd shared revoke team bob
    """
    _change(name, who, NO_RIGHTS, below, (False, True))
    click.echo(f"Shared/{name}   nothing of {who}")


def _change(name: str, who: str, rights: Rights, below: bool, denied: tuple[bool, ...]) -> str:
    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.intake.sharing import box_at, grantee_named
        from opostd.store import acl

        box = await box_at(store, settings.domains, name)
        grantee = await grantee_named(store, settings.domains, who)
        if grantee == Grantee(GranteeKind.PERSON, box.owner):
            raise NotAllowed("the owner of a box has all rights, always")
        for each in [box, *(await _below(store, box) if below else [])]:
            for negative in denied:
                await store.run(acl.change, each.owner, each.box, grantee, Change.REPLACE, rights, denied=negative)

    run_in_store(flow)
    return letters_of(rights)


async def _below(store: "Store", box: "Box") -> "list[Box]":
    from opostd.store import boxes
    from opostd.store.names import below

    return [each for each in await store.run(boxes.boxes, box.owner) if below(each.name, box.name)]


@command.command("delete")
@click.argument("name")
@yes_option
def delete(name: str, yes: bool) -> None:
    """Remove a box that is nobody's, with those below it and what is in them.

    Example: opostd shared delete team/2026 -y
    """
    if "@" in name.partition("/")[0]:
        raise click.UsageError("that is a person's: opostd shared revoke")

    async def look(store: "Store", settings: Settings) -> tuple[int, int]:
        from opostd.intake.sharing import box_at
        from opostd.store import boxes

        box = await box_at(store, settings.domains, name)
        gone = [box, *await _below(store, box)]
        counted = [await store.run(boxes.status, each.owner, each.box) for each in gone]
        return len(gone), sum(each.messages for each in counted)

    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.intake.sharing import box_at
        from opostd.store import boxes, shared

        if "/" not in name:
            await store.run(shared.remove_tree, name)
            return
        box = await box_at(store, settings.domains, name)
        for each in [*await _below(store, box), box]:
            await store.run(boxes.delete, each.owner, each.name)

    count, messages = run_in_store(look)
    confirm(f"Delete Shared/{name}, {count} boxes with {messages} messages?", yes)
    run_in_store(flow)
    click.echo(f"Shared/{name}   deleted")
