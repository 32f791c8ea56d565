"""``opostd group held``: posts that wait for a moderator."""

import sys
from typing import TYPE_CHECKING

import click

from opostd.cli.common import Failure, json_option, print_json, print_rows, run_in_store, shown_time
from opostd.cli.errors import EX_NOUSER
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import post_id
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.ids import BoxId, post_id_text

if TYPE_CHECKING:
    from opostd.nouns.held import HeldPost
    from opostd.store.held import Held
    from opostd.store.run import Store

SHOWN = 1000


@click.group("held")
def held() -> None:
    """Posts that wait for a moderator: list, show, accept, discard."""


@held.command("list")
@click.argument("group", required=False)
@json_option
def list_(group: str | None, as_json: bool) -> None:
    """What waits, for one group or for any, the oldest first; at most 1000.

    Example: opostd group held list team
    """

    async def flow(store: "Store", settings: Settings) -> "list[HeldPost]":
        from opostd.nouns import held
        from opostd.store import held as held_posts

        box = None if group is None else (await source_of(store, settings, group)).box
        return await held.listing(store, await store.run(held_posts.waiting, box, SHOWN), await _addresses(store))

    found = run_in_store(flow)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.id, each.group, each.sender, each.login, each.subject, shown_time(each.since), shown_time(each.until)
        )
        for each in found
    ]  # fmt: skip
    print_rows(("ID", "GROUP", "SENDER", "LOGIN", "SUBJECT", "SINCE", "UNTIL"), rows, False)


@held.command("show")
@click.argument("id_", metavar="ID")
@click.option("--raw", is_flag=True, help="The message as it is kept, octet by octet.")
@json_option
def show(id_: str, raw: bool, as_json: bool) -> None:
    """One post that waits, and for which groups.

    Example: opostd group held show 0193f6a2c0de7b0c9d5e4f3a2b1c0d9e
    """
    post = post_id(id_)

    async def flow(store: "Store", settings: Settings) -> "tuple[list[HeldPost], bytes]":
        from opostd.nouns import held
        from opostd.store import posts

        rows = await _rows(store, settings, id_, None)
        return await held.listing(store, rows, await _addresses(store)), await store.run(posts.raw, post)

    found, octets = run_in_store(flow)
    if raw:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(found)
    else:
        one = found[0]
        facts = {
            "id": one.id,
            "groups": ", ".join(each.group for each in found),
            "sender": one.sender,
            "login": one.login,
            "from": one.author,
            "subject": one.subject,
            "size": one.size,
            "since": shown_time(one.since),
            "until": shown_time(one.until),
            "preview": one.preview,
        }
        print_rows(("FIELD", "VALUE"), list(facts.items()), False)


async def _addresses(store: "Store") -> "dict[BoxId, str]":
    from opostd.store import sources

    return {source.box: source.address for source in await store.run(sources.sources)}


async def _rows(store: "Store", settings: Settings, id_: str, group: str | None) -> "list[Held]":
    """The groups that a post waits for, or that one.  Raises Failure, NoSuchAddress, NoSuchPost."""
    from opostd.store import held as held_posts

    rows = await store.run(held_posts.of_post, post_id(id_))
    if group is not None:
        box = (await source_of(store, settings, group)).box
        rows = [row for row in rows if row.box == box]
    if not rows:
        raise Failure(EX_NOUSER, f"nothing waits under {id_}")
    return rows


def _verb(name: str, done: str, text: str) -> None:
    @click.argument("ids", metavar="ID...", nargs=-1, required=True)
    @click.option("--group", metavar="GROUP", help="Only for this group, where the post waits for several.")
    @click.option("--as", "login", metavar="ADDR", help="With the rights of this moderator, and in their name.")
    @json_option
    def run(ids: tuple[str, ...], group: str | None, login: str | None, as_json: bool) -> None:
        async def flow(store: "Store", settings: Settings) -> list[tuple[str, str, str]]:
            by = None if login is None else await account_of(store, settings, login)
            names = await _addresses(store)
            found = []
            async with open_intake(store, settings) as intake:
                for id_ in dict.fromkeys(ids):
                    for row in await _rows(store, settings, id_, group):
                        decide = intake.moderators.accept if name == "accept" else intake.moderators.discard
                        await decide(row, by)
                        found.append((post_id_text(row.post), names.get(row.box, "?"), done))
            return found

        rows = run_in_store(flow)
        if as_json:
            print_rows(("ID", "GROUP", "STATE"), rows, True)
        for id_, address, state in () if as_json else rows:
            click.echo(f"{id_}   {state} for {address}")

    run.__doc__ = f"{text}\n\nExample: opostd group held {name} 0193f6a2c0de7b0c9d5e4f3a2b1c0d9e"
    held.command(name)(run)


_verb("accept", "accepted", "Let posts go on to their groups.")
_verb("discard", "discarded", "Let posts go nowhere; an author who had logged in is told.")
