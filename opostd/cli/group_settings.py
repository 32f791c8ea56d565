"""``opostd group set`` and ``show``: what a group decides for itself."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from opostd.cli.common import json_option, print_rows, run_in_store
from opostd.cli.source import source_of
from opostd.config import Settings
from opostd.model.records import Joining, Moderation, PostPolicy, Recall, Source

if TYPE_CHECKING:
    from opostd.store.run import Store

Parsed = tuple[str, int | str]
Words = type[Joining] | type[Moderation] | type[PostPolicy] | type[Recall]

MAX_URL = 500  # characters: a header line has 998, the name and the id of a post beside it
_URL = re.compile(r"https?://[!-;=?-~]+")  # of a header: no space, no angle bracket


def words(kind: Words) -> dict[str, int]:
    """``non-members`` and the like, with their numbers."""
    return {each.name.lower().replace("_", "-"): int(each) for each in kind}


def _word(field: str, kind: Words) -> Callable[[str], Parsed]:
    known = words(kind)

    def parse(text: str) -> Parsed:
        if text.lower() not in known:
            raise click.UsageError(f"one of {', '.join(known)}, not {text!r}")
        return field, known[text.lower()]

    return parse


def _url(field: str, has: str = "") -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        if text == "none":
            return field, ""
        if not _URL.fullmatch(text) or len(text) > MAX_URL or has not in text:
            wanted = f"an http or https URL with {has} in it" if has else "an http or https URL"
            raise click.UsageError(f"{wanted}, or none, not {text!r}")
        return field, text

    return parse


def _title(text: str) -> Parsed:
    if not text.isprintable() or len(text) > 200:
        raise click.UsageError("a title is one line of at most 200 characters")
    return "title", text


def _days(text: str) -> Parsed:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise click.UsageError(f"a number of days, 0 for never, not {text!r}")
    return "expiry_s", int(text) * 86400


def _limit(field: str) -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        if text in ("off", "default"):
            return field, 0 if text == "off" else -1
        if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
            raise click.UsageError(f"a number, off, or default for what the configuration says, not {text!r}")
        return field, int(text)

    return parse


def _shown_limit(number: int) -> str:
    return {0: "off", -1: "default"}.get(number, str(number))


KEYS: dict[str, tuple[Callable[[str], Parsed], Callable[[Source], str], str]] = {
    "title": (_title, lambda source: source.title, "what it is called"),
    "post": (
        _word("post", PostPolicy), lambda source: source.post.name.lower(),
        "who may post: " + ", ".join(words(PostPolicy)),
    ),
    "moderation": (
        _word("moderation", Moderation), lambda source: source.moderation.name.lower().replace("_", "-"),
        "whose posts wait for a moderator: " + ", ".join(words(Moderation)),
    ),
    "join": (
        _word("joining", Joining), lambda source: source.joining.name.lower(),
        "whether people join and leave by mail: " + ", ".join(words(Joining)),
    ),
    "expiry": (_days, lambda source: str(source.expiry_s // 86400), "days after which posts end; 0: never"),
    "recall": (
        _word("recall", Recall), lambda source: source.recall.name.lower(),
        "from which boxes author and owners may take a post back: " + ", ".join(words(Recall)),
    ),
    "brake": (
        _limit("brake"), lambda source: _shown_limit(source.brake),
        "replies to one conversation in a while, after which it is closed for a while: a number, off, default",
    ),
    "sender-posts": (
        _limit("sender_posts"), lambda source: _shown_limit(source.sender_posts),
        "posts of one sender in an hour: a number, off, default",
    ),
    "group-posts": (
        _limit("all_posts"), lambda source: _shown_limit(source.all_posts),
        "posts of all senders in an hour: a number, off, default",
    ),
    "archive": (_url("archive"), lambda source: source.archive or "none", "URL of its archive (List-Archive), or none"),
    "archived-at": (
        _url("archived_at", "{id}"), lambda source: source.archived_at or "none",
        "URL of one post (Archived-At), with {id} in it, or none",
    ),
}  # fmt: skip
"""Name -> (text to field and value, the value for people, what help says)."""


@click.command("set", epilog="  ".join(f"{key}: {text}." for key, (_, _, text) in KEYS.items()))
@click.argument("group")
@click.argument("key", type=click.Choice(list(KEYS)))
@click.argument("value")
def set_(group: str, key: str, value: str) -> None:
    """Change one setting of a group, from now on.

    Example: opostd group set team moderation non-members
    """
    field, parsed = KEYS[key][0](value)

    async def flow(store: "Store", settings: Settings) -> Source:
        from opostd.store import provision

        address = await source_of(store, settings, group)
        await provision.change(store, address.addr, field, parsed)
        return await _source(store, address.addr)

    source = run_in_store(flow)
    click.echo(f"{source.address}   {key} {KEYS[key][1](source)}")


@click.command("show")
@click.argument("group")
@json_option
def show(group: str, as_json: bool) -> None:
    """What a group has decided for itself.

    Example: opostd group show team
    """

    async def flow(store: "Store", settings: Settings) -> Source:
        return await _source(store, (await source_of(store, settings, group)).addr)

    source = run_in_store(flow)
    print_rows(("KEY", "VALUE"), [("address", source.address), *((key, KEYS[key][1](source)) for key in KEYS)], as_json)


@click.command("reopen")
@click.argument("group")
def reopen(group: str) -> None:
    """Let everybody write again: conversations that the brake has closed are open, and all counts begin anew.

    Example: opostd group reopen team
    """

    async def flow(store: "Store", settings: Settings) -> tuple[str, int]:
        from opostd.store import tally

        address = await source_of(store, settings, group)
        return address.addr, await store.run(tally.forget, address.box)

    addr, closed = run_in_store(flow)
    click.echo(f"{addr}   {closed} reopened")


async def _source(store: "Store", addr: str) -> Source:
    from opostd.model.errors import NoSuchAddress
    from opostd.store import sources

    found = await store.run(sources.source_at, addr)
    if found is None:
        raise NoSuchAddress(f"there is no group {addr}")
    return found
