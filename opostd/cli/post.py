"""``opostd post``: messages in a box or a source, how they came, how far they reached, and taking them back."""

import sys
from typing import TYPE_CHECKING

import click

from opostd.cli.common import (
    confirm,
    folded,
    json_option,
    now,
    print_json,
    print_rows,
    run_in_store,
    shown_time,
    yes_option,
)
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import post_id
from opostd.cli.post_reach import reach
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.errors import NoSuchAddress, NoSuchPost
from opostd.model.ids import SYSTEM_OWNER, Uid, post_id_text
from opostd.model.records import AddressKind, Box, Withdraw

if TYPE_CHECKING:
    from opostd.nouns.posts import Post, PostRow
    from opostd.store.reach import Reach
    from opostd.store.run import Store
    from opostd.store.withdraw import Withdrawal

SHOWN = 50


@click.group("post")
def command() -> None:
    """Posts: list, show, pin, unpin, expire, recall, reach."""


async def box_of(store: "Store", settings: Settings, address: str, name: str) -> Box:
    """A person's box, brought up to date, or the box of a group.  Raises NoSuchAddress, NoSuchBox."""
    from opostd.store import accounts, boxes, sync

    addr = folded(address, settings)
    found = await store.run(accounts.address, addr)
    if found is None or found.kind is AddressKind.ALIAS:
        raise NoSuchAddress(f"there is no user and no group {addr}")
    if found.kind is AddressKind.SOURCE:
        return await store.run(boxes.box_by_id, SYSTEM_OWNER, found.box)
    box = await store.run(boxes.box_named, found.owner, name)
    await sync.bring_up(store, box.owner, box.box, now=now())
    return box


@command.command("list")
@click.argument("address")
@click.option("--box", "name", default="INBOX", show_default=True, help="Which of a person's boxes.")
@click.option("--unread", is_flag=True, help="Only what was not read.")
@click.option("--last", default=SHOWN, show_default=True, metavar="N", help="At most so many, the newest.")
@json_option
def list_(address: str, name: str, unread: bool, last: int, as_json: bool) -> None:
    """What is in a person's box, or what was sent to a group.

    Example: opostd post list anna --unread
    """

    async def flow(store: "Store", settings: Settings) -> "tuple[list[PostRow], set[Uid]]":
        from opostd.nouns import posts
        from opostd.store import newcomers

        box = await box_of(store, settings, address, name)
        found = await posts.newest(store, box, unread=unread, before=None, limit=last) if last > 0 else []
        return found[::-1], set(await store.run(newcomers.pins, box.box)) if box.owner == SYSTEM_OWNER else set()

    found, pins = run_in_store(flow)
    if as_json:
        print_json(found)
        return
    rows = []
    for each in found:
        words = [
            word for has, word in ((each.seen, "read"), (each.flagged, "flagged"), (each.uid in pins, "pinned")) if has
        ]
        rows.append((each.uid, each.id, shown_time(each.received), each.sender, each.subject, " ".join(words)))
    print_rows(("UID", "ID", "DATE", "FROM", "SUBJECT", "FLAGS"), rows, False)


@command.command("show")
@click.argument("address")
@click.argument("uid", type=click.IntRange(1))
@click.option("--box", "name", default="INBOX", show_default=True, help="Which of a person's boxes.")
@click.option("--raw", is_flag=True, help="The message as it is kept, octet by octet.")
@json_option
def show(address: str, uid: int, name: str, raw: bool, as_json: bool) -> None:
    """One post in a box, and all the ways by which it came there.

    Example: opostd post show anna 14
    """

    async def flow(store: "Store", settings: Settings) -> "tuple[Post, bytes]":
        from opostd.nouns import posts as nouns
        from opostd.store import accounts, changes, posts

        box = await box_of(store, settings, address, name)
        id_ = await store.run(changes.post_of, box.owner, box.box, Uid(uid))
        if id_ is None:
            raise NoSuchPost(f"there is no post {uid} in {box.name}")
        facts, octets = (await store.run(posts.facts, [id_]))[id_], await store.run(posts.raw, id_)
        account = await store.run(accounts.account, box.owner) if box.owner != SYSTEM_OWNER else None
        ways = [] if account is None else await nouns.ways(store, account, id_, facts)
        rows = await nouns.rows_of(store, box.owner, id_)
        here = [(each, row) for each, row in rows if (each.box, row.uid) == (box.box, uid)]
        return nouns.post_of(facts, here, ways), octets

    found, octets = run_in_store(flow)
    if raw:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    elif as_json:
        print_json(found)
    else:
        here = found.boxes[0]
        facts = {
            "id": found.id,
            "box": here.box,
            "uid": here.uid,
            "from": found.sender,
            "subject": found.subject,
            "sent": shown_time(found.sent),
            "received": shown_time(here.received),
            "in the box since": shown_time(here.since),
            "size": found.size,
            "read": here.seen,
            "flagged": here.flagged,
            "keywords": ", ".join(here.keywords),
            "ways": ", ".join(found.ways),
        }
        print_rows(("FIELD", "VALUE"), list(facts.items()), False)


@command.command("pin")
@click.argument("group")
@click.argument("uid", type=click.IntRange(1))
def pin(group: str, uid: int) -> None:
    """Give a post of a group to those who join later, too.

    Example: opostd post pin team 1
    """

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import newcomers

        source = await source_of(store, settings, group)
        await store.run(newcomers.pin, source.box, Uid(uid))
        return source.addr

    click.echo(f"{run_in_store(flow)}   #{uid} pinned")


@command.command("unpin")
@click.argument("group")
@click.argument("uid", type=click.IntRange(1))
def unpin(group: str, uid: int) -> None:
    """Give a post of a group to newcomers no more; who has it keeps it.

    Example: opostd post unpin team 1
    """

    async def flow(store: "Store", settings: Settings) -> str:
        from opostd.store import newcomers

        source = await source_of(store, settings, group)
        await store.run(newcomers.unpin, source.box, Uid(uid))
        return source.addr

    click.echo(f"{run_in_store(flow)}   #{uid} not pinned")


@command.command("expire")
@click.argument("id_", metavar="ID")
@click.argument("end")
def expire(id_: str, end: str) -> None:
    """Let a post end at the beginning of a day (UTC), or never; it then leaves boxes where it was not touched.

    Who has flagged it, or moved it to another box, keeps it.

    Example: opostd post expire 0193f6a27c1e7d05a8d1c06d5a3b9e42 2026-12-24
    """
    from opostd.nouns.times import day

    post, at = post_id(id_), day(end)
    if at is None and end != "never":
        raise click.UsageError(f"a day such as 2026-12-24, or never, not {end!r}")

    async def flow(store: "Store", settings: Settings) -> None:
        from opostd.store import posts, withdraw

        if post not in await store.run(posts.facts, [post]):
            raise NoSuchPost(f"there is no post {post_id_text(post)}")
        await withdraw.expire(store, post, at)

    run_in_store(flow)
    click.echo(f"{post_id_text(post)}   " + ("stays" if at is None else f"ends {end}"))


@command.command("recall")
@click.argument("id_", metavar="ID")
@click.option("--unread-only", is_flag=True, help="Leave it to those who have read it.")
@click.option("--as", "login", metavar="ADDR", help="With the rights of this person, and in their name.")
@yes_option
@json_option
def recall(id_: str, unread_only: bool, login: str | None, yes: bool, as_json: bool) -> None:
    """Take a post back: out of its groups and out of every box; who has not looked yet never sees it.

    A copy that a mail program keeps for itself goes when that program next connects. An author may do it for some
    time, by a letter to team-request@ too: an answer to the post with the subject "recall".

    Example: opostd post recall 0193f6a27c1e7d05a8d1c06d5a3b9e42 -y
    """
    post = post_id(id_)
    policy = Withdraw.UNREAD if unread_only else Withdraw.ALL

    async def look(store: "Store", settings: Settings) -> "tuple[str, Reach]":
        from opostd.store import posts, reach

        facts = await store.run(posts.facts, [post])
        if post not in facts:
            raise NoSuchPost(f"there is no post {post_id_text(post)}")
        return facts[post].subject, await store.run(reach.reach, post)

    async def flow(store: "Store", settings: Settings) -> "Withdrawal":
        from opostd.store import withdraw

        if login is None:
            return await withdraw.recall(store, post, policy, now())
        account = await account_of(store, settings, login)
        async with open_intake(store, settings) as intake:
            await intake.recalling.begin(post, account, unread_only=unread_only)
            return await intake.recalling.finish(post)

    subject, reached = run_in_store(look)
    confirm(f"Recall {subject!r} from {reached.have} people, {reached.seen} of whom have read it?", yes)
    done = run_in_store(flow)
    if as_json:
        from opostd.nouns.reaching import recalled

        print_json(recalled(post, done))
        return
    from opostd.intake.recalling import in_words

    click.echo(f"{post_id_text(post)}   {in_words(done)}")


command.add_command(reach)
