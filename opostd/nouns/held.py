"""Posts that wait for a moderator, as those see them who decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opostd.intake.rights import DECIDES
from opostd.model.errors import NoSuchPost
from opostd.model.ids import NOBODY, BoxId, PostId, post_id_text
from opostd.model.records import Account, MemberRole, PostFacts
from opostd.nouns.posts import LOST
from opostd.nouns.times import iso
from opostd.store import held, posts, sources
from opostd.store.held import Held
from opostd.store.run import Store

SHOWN = 1000


@dataclass(frozen=True, slots=True)
class HeldPost:
    """login: whether its sender had logged in; else ``sender`` may be anybody."""

    id: str
    group: str
    sender: str
    login: bool
    author: str
    subject: str
    preview: str
    size: int
    since: str
    until: str


async def decided_by(store: Store, account: Account) -> dict[BoxId, str]:
    """The groups that somebody decides for, by their box; of an administrator all."""
    every = await store.run(sources.sources)
    if account.admin:
        return {each.box: each.address for each in every}
    roles = await store.run(sources.roles, [each.box for each in every], account.owner)
    return {each.box: each.address for each in every if roles.get(each.box, MemberRole(0)) & DECIDES}


async def waiting(store: Store, addresses: Mapping[BoxId, str]) -> list[HeldPost]:
    """What waits for these groups, the oldest first, at most SHOWN."""
    rows: list[Held] = []
    for box in await store.run(held.boxes):
        if box in addresses:
            rows += await store.run(held.waiting, box, SHOWN)
    return await listing(store, sorted(rows, key=lambda row: row.post)[:SHOWN], addresses)


async def rows(store: Store, account: Account, post: PostId, group: str = "") -> tuple[dict[BoxId, str], list[Held]]:
    """Groups that somebody decides for, and what waits under that id for these, or for one.  Raises NoSuchPost."""
    addresses = await decided_by(store, account)
    found = [row for row in await store.run(held.of_post, post) if row.box in addresses]
    found = [row for row in found if not group or addresses[row.box] == group]
    if not found:
        raise NoSuchPost("nothing waits under this id")
    return addresses, found


async def listing(store: Store, rows: Sequence[Held], addresses: Mapping[BoxId, str]) -> list[HeldPost]:
    """addresses: of the groups, by their box."""
    facts = await store.run(posts.facts, list(dict.fromkeys(row.post for row in rows)))
    return [held_of(row, facts.get(row.post), addresses.get(row.box, "?")) for row in rows]


def held_of(row: Held, facts: PostFacts | None, group: str) -> HeldPost:
    return HeldPost(
        post_id_text(PostId(row.post)),
        group,
        row.origin.sender or "<>",
        row.author != NOBODY,
        facts.sender if facts else "?",
        facts.subject if facts else LOST,
        (facts.preview or "") if facts else "",
        facts.size if facts else 0,
        iso(row.created),
        iso(row.expires),
    )
