"""``opostd queue``: what is accepted and not yet in its boxes, refused by one, or not yet taken by another server."""

import datetime
import json
from typing import TYPE_CHECKING, Any

import click

from opostd.cli.common import Failure, confirm, json_option, now, print_rows, run_in_store, yes_option
from opostd.cli.errors import EX_NOUSER
from opostd.config import Settings

if TYPE_CHECKING:
    from opostd.model.ids import PostId
    from opostd.store.run import Store
    from opostd.store.set_aside import SetAside

SHOWN = 1000
MOST = 100_000  # rows that one command changes
COLUMNS = ("ID", "To", "Tries", "Next", "Age", "Last answer")


@click.group("queue")
def command() -> None:
    """What waits to be delivered."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """What waits, the next to be tried first, what is held last; at most 1000 of each kind.

    Posts of a group that one box has refused are among them; who that is stands there as "anna@example.org, INBOX".

    Example: opostd queue list
    """

    async def flow(store: "Store", settings: Settings) -> list[list[Any]]:
        from opostd.store import outgoing, queue, set_aside

        local = await store.run(queue.waiting, SHOWN)
        remote = await store.run(outgoing.waiting, SHOWN)
        aside = await store.run(set_aside.waiting, SHOWN)
        rows = [(row.next_at, _row(row, ", ".join(wish.address for wish in row.wishes), as_json)) for row in local]
        rows += [(row.next_at, _row(row, row.address, as_json)) for row in remote]
        rows += [(row.next_at, _row(row, await place_of(store, row), as_json)) for row in aside]
        return [row for _, row in sorted(rows, key=lambda each: (each[0], each[1][:2]))]

    print_rows(COLUMNS, run_in_store(flow), as_json)


def _row(row: Any, to: str, as_json: bool) -> list[Any]:
    from opostd.model.ids import post_id_text

    age, wait = now() - row.created, row.next_at - now()
    if as_json:
        return [post_id_text(row.post), to, row.attempts, None if row.held else row.next_at, age, row.last_error]
    next_ = "held" if row.held else "now" if wait <= 0 else duration(wait)
    return [post_id_text(row.post), to, row.attempts, next_, duration(age), row.last_error]


def duration(seconds: int) -> str:
    """``42 s``, ``18 min``, ``5 h``, ``3 d``: as much as a person wants to know."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"


@command.command("show")
@click.argument("id_", metavar="ID")
@json_option
def show(id_: str, as_json: bool) -> None:
    """One message that waits: what it is, and what became of it so far, for each recipient.

    Example: opostd queue show 0193f6a2c0de7b0c9d5e4f3a2b1c0d9e
    """
    post = _post(id_)

    async def flow(store: "Store", settings: Settings) -> list[dict[str, Any]]:
        from opostd.store import outgoing, posts, queue, set_aside

        facts = (await store.run(posts.facts, [post])).get(post)
        about = {"subject": facts.subject, "size": facts.size} if facts else {"subject": "", "size": 0}
        rows: list[Any] = [*await store.run(queue.of_post, post), *await store.run(outgoing.of_post, post)]
        found = [{**about, **_detail(row, _named(row), row.origin.sender)} for row in rows]
        aside = await store.run(set_aside.waiting, SHOWN, post)
        sender = facts.sender if facts else ""
        return [*found, *[{**about, **_detail(row, await place_of(store, row), sender)} for row in aside]]

    found = run_in_store(flow)
    if not found:
        raise Failure(EX_NOUSER, f"nothing waits under {id_}")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    from opostd.daemon.logs import safe

    for each in found:
        click.echo(
            "\n".join(f"{name:12}{safe(str(value))}" for name, value in each.items()) + "\n", nl=each is not found[-1]
        )


def _named(row: Any) -> str:
    return ", ".join(wish.address for wish in (row.wishes if hasattr(row, "wishes") else (row.wish,)))


async def place_of(store: "Store", row: "SetAside") -> str:
    """``anna@example.org, INBOX``: whose box it is."""
    from opostd.store import accounts, boxes

    account = await store.run(accounts.account, row.owner)
    names = {each.box: each.name for each in await store.run(boxes.boxes_by_id, row.owner, [row.box])}
    return f"{account.login if account else row.owner}, {names.get(row.box, row.box)}"


def _detail(row: Any, to: str, sender: str) -> dict[str, Any]:
    return {
        "to": to,
        "from": sender or "<>",
        "tries": row.attempts,
        "next": "held" if row.held else _time(row.next_at),
        "accepted": _time(row.created),
        "last_answer": row.last_error,
    }


def _time(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")


def _post(text: str) -> "PostId":
    """The id as ``list`` shows it, or as a UUID is written.  Raises UsageError."""
    from opostd.model.ids import PostId

    digits = text.replace("-", "")
    if len(digits) != 32 or any(char not in "0123456789abcdefABCDEF" for char in digits):
        raise click.UsageError(f"{text!r} is no ID: 32 hexadecimal digits, as opostd queue list shows them")
    return PostId(bytes.fromhex(digits))


async def _aside(store: "Store", verb: str, post: "PostId | None") -> int:
    """The same for what is set aside: it is of the owners' tables, a transaction of their own."""
    from opostd.store import set_aside
    from opostd.store.spooling import HELD_AT

    rows = await store.run(set_aside.waiting, MOST, post)
    keys = [row.key for row in rows if verb == "drop" or row.held is (verb == "release")]
    if verb == "drop":
        return await store.run(set_aside.drop, keys, now())
    values = {"next_at": HELD_AT if verb == "hold" else now()}
    return await store.run(set_aside.change, keys, now(), {**values, "attempts": 0} if verb == "release" else values)


def _verb(name: str, done: str, example: str, text: str) -> None:
    """A command over one message or, with --all, over all that waits."""

    @click.argument("id_", metavar="ID", required=False)
    @click.option("--all", "everything", is_flag=True, help="All that waits.")
    @yes_option
    def run(id_: str | None, everything: bool, yes: bool) -> None:
        if (id_ is None) is not everything:
            raise click.UsageError("an ID is needed, or --all")
        post = None if id_ is None else _post(id_)
        if name == "drop":
            confirm("Drop what waits, and tell nobody?", yes)

        async def flow(store: "Store", settings: Settings) -> int:
            from opostd.store import queue_admin

            found: int = await store.run(getattr(queue_admin, name), post, now())
            return found + await _aside(store, name, post)

        found = run_in_store(flow)
        if not found and post is not None:
            raise Failure(EX_NOUSER, f"nothing under {id_} that could be {done}; see opostd queue show {id_}")
        click.echo(f"{found} {done}")

    run.__doc__ = f"{text}\n\nExample: {example}"
    command.command(name)(run)


_verb("retry", "due now", "opostd queue retry --all", "Try it at once, and not only when its time has come.")
_verb("hold", "held", "opostd queue hold 0193f6a2c0de7b0c9d5e4f3a2b1c0d9e", "Try it no more until it is released.")
_verb("release", "released", "opostd queue release --all", "Try what is held, with all its tries before it.")
_verb("drop", "dropped", "opostd queue drop 0193f6a2c0de7b0c9d5e4f3a2b1c0d9e -y", "Forget it; its sender is not told.")
