"""``opostd post reach``: how far a post has come, in counts; over time; and, for owners, person by person."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option, now, print_rows, run_in_store
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import post_id, when
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.errors import NoSuchPost
from opostd.model.ids import PostId, post_id_text

if TYPE_CHECKING:
    from opostd.model.records import Account
    from opostd.store.reach import Reach, Reader
    from opostd.store.run import Store
    from opostd.store.withdraw import Withdrawal

    Curve = list[tuple[int, Reach | int]]


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

    async def flow(
        store: "Store", settings: Settings
    ) -> "tuple[Reach, Withdrawal | None, list[Reader], dict[int, Account], Curve]":
        from opostd.store import accounts, posts, reach, reached, withdraw

        if post not in await store.run(posts.facts, [post]):
            raise NoSuchPost(f"there is no post {post_id_text(post)}")
        await _check(store, settings, post, login, names)
        readers = await store.run(reach.readers, post) if names else []
        people = await store.run(accounts.accounts_by_owner, [each.owner for each in readers]) if names else {}
        curve: Curve = []
        counts = await store.run(reach.reach, post)
        if over_time:
            curve = [*await store.run(reached.of_post, post), (now(), counts)]
            before = curve[0][0]
            hours = [each for each in await store.run(reach.arrivals, post) if each[0] < before]
            curve = [*((at, have) for at, have in hours), *curve]
        return (
            counts,
            await store.run(withdraw.withdrawal, post),
            readers,
            {int(key): each for key, each in people.items()},
            curve,
        )

    from opostd.store.reach import MIN_READERS

    found, taken_back, readers, people, curve = run_in_store(flow)
    shown = exact or max(found.subscribed, found.have) >= MIN_READERS
    if names:
        rows = sorted((people[each.owner].login, each.state) for each in readers if each.owner in people)
        print_rows(("ADDRESS", "STATE"), rows, as_json)
        return
    if over_time:
        points = ("BY", "CARRIED", "PENDING", "HAVE IT", "READ", "DELETED", "DELETED UNREAD")
        print_rows(points, [_point(*each) for each in curve] if shown else [], as_json)
    else:
        row = (
            found.subscribed, found.carried, found.pending, found.have,
            *((found.seen, found.flagged, found.gone, found.dismissed) if shown else (None, None, None, None)),
            None if taken_back is None else when(taken_back.begins),
        )  # fmt: skip
        columns = ("SUBSCRIBED", "CARRIED", "PENDING", "HAVE IT", "READ", "FLAGGED", "DELETED", "DELETED UNREAD", "END")
        print_rows(columns, [row], as_json)
    if not shown and not as_json:
        click.echo(f"fewer than {MIN_READERS} people: what they did with it is shown with --exact", err=True)


def _point(at: int, counts: "Reach | int") -> tuple[str | int | None, ...]:
    """A line of the curve; of what only the readers' own rows tell, how many had it."""
    if isinstance(counts, int):
        return when(at), None, None, counts, None, None, None
    return (
        when(at), counts.carried, counts.pending, counts.have, counts.seen, counts.gone, counts.dismissed
    )  # fmt: skip


async def _check(store: "Store", settings: Settings, post: PostId, login: str | None, names: bool) -> None:
    if login is not None:
        account = await account_of(store, settings, login)
        async with open_intake(store, settings) as intake:
            await intake.recalling.check_look(post, account, names=names)
