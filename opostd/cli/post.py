"""``opostd post``: messages in a box or a source, how they came, how far they reached, and taking them back."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from opostd.cli.common import confirm, folded, json_option, now, print_rows, run_in_store, yes_option
from opostd.cli.open_intake import open_intake
from opostd.cli.post_id import post_id, when
from opostd.cli.post_reach import reach
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.errors import NoSuchAddress, NoSuchPost
from opostd.model.flags import FLAGGED, SEEN
from opostd.model.ids import SYSTEM_OWNER, PostId, Uid, post_id_text
from opostd.model.records import AddressKind, Box, PostFacts, Withdraw

if TYPE_CHECKING:
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

    async def flow(store: "Store", settings: Settings) -> list[tuple[int, str, str, str, str, str]]:
        from opostd.store import changes, newcomers, posts

        box = await box_of(store, settings, address, name)
        rows = (await store.run(changes.listing, box.owner, box.box)).rows
        rows = tuple(row for row in rows if not (unread and row.bits & SEEN))[-last:] if last > 0 else ()
        pins = set(await store.run(newcomers.pins, box.box)) if box.owner == SYSTEM_OWNER else set()
        facts = await store.run(posts.facts, [row.post for row in rows])
        found: list[tuple[int, str, str, str, str, str]] = []
        for row in rows:
            fact = facts.get(row.post)
            sender, subject = (fact.sender, fact.subject) if fact else ("?", "the post is lost")
            words = [word for bit, word in ((SEEN, "read"), (FLAGGED, "flagged")) if row.bits & bit]
            words += ["pinned"] if row.uid in pins else []
            found.append((row.uid, post_id_text(row.post), when(row.internaldate), sender, subject, " ".join(words)))
        return found

    print_rows(("UID", "ID", "DATE", "FROM", "SUBJECT", "FLAGS"), run_in_store(flow), as_json)


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

    async def flow(store: "Store", settings: Settings) -> tuple[dict[str, Any], bytes]:
        from opostd.store import changes, posts

        box = await box_of(store, settings, address, name)
        listing = await store.run(changes.listing, box.owner, box.box)
        row = next((each for each in listing.rows if each.uid == uid), None)
        if row is None:
            raise NoSuchPost(f"there is no post {uid} in {box.name}")
        octets = await store.run(posts.raw, row.post)
        fact = (await store.run(posts.facts, [row.post]))[row.post]
        found = {
            "id": post_id_text(row.post),
            "box": box.name,
            "uid": row.uid,
            "from": fact.sender,
            "subject": fact.subject,
            "sent": when(fact.sent),
            "received": when(row.internaldate),
            "in the box since": when(row.savedate),
            "size": row.size,
            "read": bool(row.bits & SEEN),
            "flagged": bool(row.bits & FLAGGED),
            "keywords": list(row.keywords),
            "ways": await ways_of(store, box, row.post, fact),
        }
        return found, octets

    found, octets = run_in_store(flow)
    if raw:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    elif as_json:
        click.echo(json.dumps({key.replace(" ", "_"): value for key, value in found.items()}, ensure_ascii=False))
    else:
        rows = [(key, ", ".join(value) if isinstance(value, list) else value) for key, value in found.items()]
        print_rows(("FIELD", "VALUE"), rows, False)


async def ways_of(store: "Store", box: Box, post: PostId, fact: PostFacts) -> list[str]:
    """``team@example.org #17``, ``To``, ``Cc``: how a post came to the owner of a box."""
    from opostd.intake.message import header_fields
    from opostd.mime.addresses import addresses
    from opostd.store import accounts, sources, subscriptions

    if box.owner == SYSTEM_OWNER:
        return []
    known = await store.run(sources.sources)
    found = [f"{source.address} #{uid}" for source, uid in await store.run(subscriptions.ways, box.owner, post, known)]
    account = await store.run(accounts.account, box.owner)
    login = account.login if account else ""
    for each in header_fields(fact.header):
        if each.name in (b"to", b"cc"):
            named = [(entry.mailbox or b"") + b"@" + (entry.host or b"") for entry in addresses(each.value, 1000)]
            if login.encode() in [name.lower() for name in named]:
                found.append(each.name.decode().capitalize())
    return found or ["directly: Bcc, an alias, or put there by a mail program"]


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
    from opostd.cli.subscription import day

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
        click.echo(json.dumps({
            "id": post_id_text(post), "policy": done.policy.name.lower(), "by": done.by,
            "had": done.removed + done.kept, "read": done.removed_seen + done.kept_seen,
            "removed": done.removed, "kept": done.kept,
        }))  # fmt: skip
        return
    from opostd.intake.recalling import in_words

    click.echo(f"{post_id_text(post)}   {in_words(done)}")


command.add_command(reach)
