"""``opostd post reach``: how far a post has come, in counts; over time; and, for owners, person by person."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option, now, print_json, print_rows, run_in_store, shown_time
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import post_id
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.errors import NoSuchPost
from opostd.model.ids import PostId, post_id_text

if TYPE_CHECKING:
    from opostd.nouns.reaching import ByTime, Reached, Reader
    from opostd.store.run import Store


@click.command("reach")
@click.argument("id_", metavar="ID")
@click.option("--exact", is_flag=True, help="What few people did, too, which says much of each of them.")
@click.option("--over-time", is_flag=True, help="How many had it, and had read it, by when.")
@click.option("--names", is_flag=True, help="Who has it and has read it: for owners of its groups.")
@click.option("--as", "login", metavar="ADDR", help="With the rights of this person.")
@json_option
def reach(id_: str, exact: bool, over_time: bool, names: bool, login: str | None, as_json: bool) -> None:
    """How far a post has come: who is to get it, has it, has read it; counts, and no names unless asked.

    Example: opostd post reach 0193f6a27c1e7d05a8d1c06d5a3b9e42 --over-time
    """
    if names and over_time:
        raise click.UsageError("--names and --over-time exclude each other")
    post = post_id(id_)

    async def flow(store: "Store", settings: Settings) -> "tuple[Reached, list[ByTime], list[Reader]]":
        from opostd.nouns import reaching
        from opostd.store import posts

        if post not in await store.run(posts.facts, [post]):
            raise NoSuchPost(f"there is no post {post_id_text(post)}")
        await _check(store, settings, post, login, names)
        return (
            await reaching.reached(store, post, exact=exact),
            await reaching.over_time(store, post, now(), exact=exact) if over_time else [],
            await reaching.names(store, post) if names else [],
        )

    found, curve, readers = run_in_store(flow)
    if as_json:
        print_json(readers if names else curve if over_time else found)
    elif names:
        print_rows(("ADDRESS", "STATE"), [(each.address, each.state) for each in readers], False)
    elif over_time:
        rows = [
            (
                shown_time(each.by), each.carried, each.pending, each.have_it, each.read, each.deleted,
                each.deleted_unread,
            )
            for each in curve
        ]  # fmt: skip
        print_rows(("BY", "CARRIED", "PENDING", "HAVE IT", "READ", "DELETED", "DELETED UNREAD"), rows, False)
    else:
        row = (
            found.subscribed, found.carried, found.pending, found.have_it, found.read, found.flagged, found.deleted,
            found.deleted_unread, shown_time(found.end),
        )  # fmt: skip
        columns = ("SUBSCRIBED", "CARRIED", "PENDING", "HAVE IT", "READ", "FLAGGED", "DELETED", "DELETED UNREAD", "END")
        print_rows(columns, [row], False)
    if found.read is None and not names and not as_json:
        from opostd.store.reach import MIN_READERS

        click.echo(f"fewer than {MIN_READERS} people: what they did with it is shown with --exact", err=True)


async def _check(store: "Store", settings: Settings, post: PostId, login: str | None, names: bool) -> None:
    if login is not None:
        account = await account_of(store, settings, login)
        async with open_intake(store, settings) as intake:
            await intake.recalling.check_look(post, account, names=names)
