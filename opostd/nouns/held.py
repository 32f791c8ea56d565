"""Posts that wait for a moderator, as those see them who decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opostd.model.ids import NOBODY, BoxId, PostId, post_id_text
from opostd.model.records import PostFacts
from opostd.nouns.posts import LOST
from opostd.nouns.times import iso
from opostd.store import posts
from opostd.store.held import Held
from opostd.store.run import Store


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
