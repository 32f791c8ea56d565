"""What a reader sees of a post: its text, and its HTML made harmless."""

from typing import Protocol

from opostd.intake.append import off_loop
from opostd.mime.scan import unpack
from opostd.mime.text import Shown, shown
from opostd.model.errors import NoSuchPost
from opostd.model.ids import PostId
from opostd.render.message import fallback
from opostd.store import posts
from opostd.store.run import Store

MAX_READ = 4 * 1024 * 1024  # octets of a message among which its text is looked for: attachments come after it


class Cleaner(Protocol):
    """``render.pool.RenderPool``."""

    async def clean(self, html: str) -> str | None:
        """The document, harmless; None where it took too long."""


async def body(store: Store, post: PostId) -> Shown:
    """Its HTML is as it came, not to be shown.  Raises NoSuchPost."""
    facts = (await store.run(posts.facts, [post])).get(post)
    if facts is None:
        raise NoSuchPost("there is no such post")
    raw = await store.run(posts.raw_slice, post, 0, MAX_READ)
    return await off_loop(len(raw), lambda: shown(raw, unpack(facts.parts)))


async def clean_html(cleaner: Cleaner, found: Shown) -> str:
    """A whole document that can be shown in a frame of its own: the HTML made harmless, or the text as it is."""
    cleaned = await cleaner.clean(found.html) if found.html else None
    return fallback(found.text) if cleaned is None else cleaned
