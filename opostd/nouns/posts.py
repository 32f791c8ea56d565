"""Posts as one reader has them: a page of a box, and one post with every box and way."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from opostd.intake.message import header_fields
from opostd.mime.addresses import addresses
from opostd.model.errors import NoSuchPost
from opostd.model.flags import ANSWERED, DRAFT, FLAGGED, SEEN
from opostd.model.ids import SYSTEM_OWNER, OwnerId, PostId, post_id_text
from opostd.model.records import Account, Box, DeliveredPost, PostFacts
from opostd.nouns.boxes import bring_up
from opostd.nouns.times import iso
from opostd.store import boxes, finding, posts, sources, subscriptions, sync
from opostd.store.run import Store

LOST = "the post is lost"  # of a damaged database
MAX_NAMED = 1000  # addresses of a header that are looked at


@dataclass(frozen=True, slots=True)
class PostRow:
    """One line of a listing.  uid: in this box; received: of the message; id: the same for all its readers."""

    id: str
    uid: int
    received: str
    sender: str
    subject: str
    preview: str
    size: int
    seen: bool
    flagged: bool
    answered: bool
    draft: bool
    keywords: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """The newest first.  next: what ``before`` is for the page after this one, None where there is none."""

    box: str
    posts: list[PostRow]
    next: int | None


@dataclass(frozen=True, slots=True)
class InBox:
    """A box that has the post, with its reader's own flags there."""

    box: str
    uid: int
    received: str
    since: str
    seen: bool
    flagged: bool
    answered: bool
    keywords: list[str]


@dataclass(frozen=True, slots=True)
class Post:
    """One post.  to, cc: addresses; ways: how it came, such as ``team@example.org #17``, ``To``."""

    id: str
    sender: str
    subject: str
    message_id: str
    sent: str
    size: int
    preview: str
    to: list[str] = field(default_factory=list)
    cc: list[str] = field(default_factory=list)
    boxes: list[InBox] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)


async def page(
    store: Store, owner: OwnerId, name: str, *, unread: bool, before: int | None, limit: int, now: int
) -> Page:
    """A page of a box, which is brought up to date first.  Raises NoSuchBox."""
    box = await store.run(boxes.box_named, owner, name)
    await sync.bring_up(store, owner, box.box, now=now)
    found = await newest(store, box, unread=unread, before=before, limit=limit + 1)
    return Page(box.name, found[:limit], found[limit - 1].uid if len(found) > limit else None)


async def newest(store: Store, box: Box, *, unread: bool, before: int | None, limit: int) -> list[PostRow]:
    """The newest first, at most so many; of a source, too."""
    rows = await store.run(finding.newest, box.owner, box.box, before=before, limit=limit, unread=unread)
    facts = await store.run(posts.facts, [row.post for row in rows])
    return [row_of(row, facts.get(row.post)) for row in rows]


def row_of(row: DeliveredPost, facts: PostFacts | None) -> PostRow:
    return PostRow(
        post_id_text(row.post),
        row.uid,
        iso(row.internaldate),
        facts.sender if facts else "?",
        facts.subject if facts else LOST,
        (facts.preview or "") if facts else "",
        row.size,
        bool(row.bits & SEEN),
        bool(row.bits & FLAGGED),
        bool(row.bits & ANSWERED),
        bool(row.bits & DRAFT),
        list(row.keywords),
    )


def post_id(text: str) -> PostId:
    """Of 32 hexadecimal digits.  Raises NoSuchPost."""
    try:
        octets = bytes.fromhex(text) if text.isascii() and len(text) <= 36 else b""
    except ValueError:
        octets = b""
    if len(octets) != 16:
        raise NoSuchPost("an id of a post has 32 hexadecimal digits")
    return PostId(octets)


Found = list[tuple[Box, DeliveredPost]]


async def found_in(store: Store, owner: OwnerId, post: PostId, now: int) -> Found:
    """The boxes of an owner, brought up to date, that have a post.  Raises NoSuchPost where none has."""
    await bring_up(store, owner, now)
    found = await rows_of(store, owner, post)
    if not found:
        raise NoSuchPost(f"there is no post {post_id_text(post)}")
    return found


def movable(found: Found) -> Found:
    """What is meant when a post is to be moved: not the copy of what one has sent, if there is another."""
    return [(box, row) for box, row in found if box.role != "Sent"] or found


async def rows_of(store: Store, owner: OwnerId, post: PostId) -> Found:
    """The boxes of an owner, as they are, that have a post."""
    known = {each.box: each for each in await store.run(boxes.boxes, owner)}
    return [(known[box], row) for box, row in await store.run(finding.of_post, owner, post) if box in known]


async def one(store: Store, account: Account, post: PostId, now: int) -> Post:
    """A post as somebody has it.  Raises NoSuchPost where they have it not."""
    found = await found_in(store, account.owner, post, now)
    facts = (await store.run(posts.facts, [post])).get(post)
    if facts is None:
        raise NoSuchPost(f"there is no post {post_id_text(post)}")
    return post_of(facts, found, await ways(store, account, post, facts))


def post_of(facts: PostFacts, found: Found, came: Sequence[str]) -> Post:
    return Post(
        post_id_text(facts.id),
        facts.sender,
        facts.subject,
        facts.message_id,
        iso(facts.sent),
        facts.size,
        facts.preview or "",
        named(facts, b"to"),
        named(facts, b"cc"),
        [_in_box(box, row) for box, row in found],
        list(came),
    )


def _in_box(box: Box, row: DeliveredPost) -> InBox:
    return InBox(
        box.name,
        row.uid,
        iso(row.internaldate),
        iso(row.savedate),
        bool(row.bits & SEEN),
        bool(row.bits & FLAGGED),
        bool(row.bits & ANSWERED),
        list(row.keywords),
    )


def named(facts: PostFacts, name: bytes) -> list[str]:
    """The addresses in the fields of that name."""
    found = [each.value for each in header_fields(facts.header) if each.name == name]
    entries = [entry for value in found for entry in addresses(value, MAX_NAMED)]
    return [
        ((each.mailbox or b"") + b"@" + (each.host or b"")).decode("utf-8", "replace")
        for each in entries
        if each.mailbox and each.host
    ]


async def ways(store: Store, account: Account, post: PostId, facts: PostFacts) -> list[str]:
    """``team@example.org #17``, ``To``, ``Cc``: how a post came to somebody."""
    if account.owner == SYSTEM_OWNER:
        return []
    known = await store.run(sources.sources)
    came = await store.run(subscriptions.ways, account.owner, post, known)
    found = [f"{source.address} #{uid}" for source, uid in came]
    found += [
        name.decode().capitalize()
        for name in (b"to", b"cc")
        if account.login in [each.lower() for each in named(facts, name)]
    ]
    return found or ["directly: Bcc, an alias, or put there by a mail program"]
