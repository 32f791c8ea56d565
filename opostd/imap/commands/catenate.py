"""CATENATE (RFC 4469): the octets of a new message, put together from texts and from messages that the user may read.

Nothing is marked as read, nothing is decoded, and what does not fit into a message is refused before it is held.
"""

from opostd.imap.access import find
from opostd.imap.content import octets_of
from opostd.imap.faults import BadUrl
from opostd.imap.parse.url import parse_url
from opostd.imap.session import Session
from opostd.imap.values.append import Catenate, MessageUrl, NewMessage, Url
from opostd.intake.intake import NewMessage as Made
from opostd.model.errors import BadMessage, LacksRight, NoSuchBox, TooBig
from opostd.model.ids import PostId, Uid
from opostd.model.rights import Rights
from opostd.store import changes


async def made(session: Session, given: tuple[NewMessage, ...]) -> list[Made]:
    """The messages, ready to be kept.  Raises BadUrl for the first URL that leads nowhere, TooBig, BadMessage."""
    messages: list[Made] = []
    room = 2 * session.services.limits.max_message_octets  # of one command, as for messages that are sent
    for each in given:
        octets = each.content
        if isinstance(octets, Catenate):
            octets = await _catenated(session, octets, room)
            if not octets:
                raise BadMessage("the message is empty")
        room -= len(octets)
        messages.append(Made(octets, each.internaldate, each.flags))
    return messages


async def _catenated(session: Session, content: Catenate, room: int) -> bytes:
    pieces: list[bytes] = []
    room = min(room, session.services.limits.max_message_octets)
    for part in content.parts:
        octets = await _looked_up(session, part) if isinstance(part, Url) else part
        room -= len(octets)
        if room < 0:
            raise TooBig("the message is too big")
        pieces.append(octets)
    return b"".join(pieces)


async def _looked_up(session: Session, url: Url) -> bytes:
    wanted = parse_url(url.text)
    post = None if wanted is None else await _post(session, wanted)
    if wanted is None or post is None:
        raise BadUrl(url.text)
    posts = session.services.posts
    facts = (await posts.facts([post])).get(post)
    names = frozenset(field.lower() for field in wanted.section.fields)
    octets = None if facts is None else await octets_of(posts, wanted.section, facts, names)
    if octets is None:
        raise BadUrl(url.text)
    return octets


async def _post(session: Session, wanted: MessageUrl) -> PostId | None:
    """The post behind a URL, if it is in a box that the user may read."""
    if wanted.name is None:
        if session.selected is None:
            return None
        key, uidvalidity = session.selected.live.key, session.selected.snapshot.box.uidvalidity
    else:
        try:
            found = await find(session, wanted.name, Rights.READ)
        except (NoSuchBox, LacksRight):
            return None
        key, uidvalidity = found.key, found.box.uidvalidity
    if wanted.uidvalidity not in (None, uidvalidity):
        return None
    return await session.services.store.run(changes.post_of, *key, Uid(wanted.uid))
