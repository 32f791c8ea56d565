"""Header fields of many messages: each header is read once, ahead where the last ones had to be read."""

import asyncio

from opostd.imap.commands.headers import FEW, Headers
from opostd.imap.format.fetch import section_octets
from opostd.imap.posts import Posts
from opostd.imap.values.fetch import Section, Text
from opostd.mime.section import header_fields
from opostd.model.ids import PostId
from opostd.model.new_ids import new_post_id
from opostd.store import posts
from opostd.store.run import Store
from tests.store.world import NOW, new_post
from tests.support.mail import mailing

SECTIONS = (
    Section((), Text.HEADER_FIELDS, (b"Subject", b"TO"), peek=True),
    Section((), Text.HEADER_FIELDS_NOT, (b"subject",)),
)
NAMES = (frozenset((b"subject", b"to")), frozenset((b"subject",)))


def test_each_header_is_read_once(store: Store) -> None:
    async def main() -> None:
        new = [new_post(f"text {number}") for number in range(4 * FEW)]
        await store.run(posts.accept, [mailing(each) for each in new], NOW)
        wanted = [
            {each.facts.id: section_octets(section, header_fields(each.facts.header, names, not_)) for each in new}
            for section, names, not_ in zip(SECTIONS, NAMES, (False, True), strict=True)
        ]
        lost = new_post_id()
        ids = [each.facts.id for each in new]
        first, second, few = ids[: 2 * FEW], [lost, *ids[2 * FEW : -1], ids[0]], ids[-1:]

        def answers(of: list[PostId]) -> list[dict[PostId, bytes]]:
            return [{id_: each[id_] for id_ in of if id_ != lost} for each in wanted]

        cache = Posts(store)
        headers = Headers(cache, SECTIONS)
        assert not headers.cold
        assert await headers.answers(first) == answers(first)
        assert headers.cold
        await headers.read_ahead(second)
        assert headers.cold
        assert await headers.answers(few) == answers(few)
        assert cache.known(few) is not None  # many may ask for a message that has just come, all at once
        assert cache.known(first) is None
        without_lost = [id_ for id_ in second if id_ != lost]
        assert await headers.answers(second) == answers(second)
        await store.close()  # what is asked for now was read before
        again = Headers(cache, SECTIONS)
        await again.read_ahead(first)
        assert not again.cold
        assert await again.answers(first) == answers(first)
        assert await again.answers([*without_lost, *few, *few]) == answers([*without_lost, *few])
        only = Headers(cache, SECTIONS[:1])
        assert await only.answers(ids) == answers(ids)[:1]

    asyncio.run(main())
