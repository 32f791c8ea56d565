"""BODY[HEADER.FIELDS (...)] of many messages, as mail programs list a box that they see for the first time.

What was answered before is known; of the other messages the header is read and nothing else, and the next ones'
while these are put together.
"""

from collections.abc import Hashable, Sequence

from opostd.imap.content import from_header
from opostd.imap.format.fetch import section_octets
from opostd.imap.posts import Posts
from opostd.imap.values.fetch import Section, Text
from opostd.mime.section import header_fields
from opostd.model.ids import PostId

FEW = 32  # that are new to many readers at once, perhaps: their facts are read once for all who ask meanwhile


def listed(section: Section) -> bool:
    """Whether it is answered here."""
    return bool(section.fields) and section.partial is None and from_header(section)


class Headers:
    """sections: ``listed``, of one FETCH.  cold: of the messages of the last look some had to be read."""

    def __init__(self, posts: Posts, sections: Sequence[Section]) -> None:
        self.cold = False
        self._posts = posts
        self._asked = [(each, frozenset(field.lower() for field in each.fields)) for each in sections]
        self._ahead: dict[PostId, bytes] = {}

    def _unknown(self, ids: Sequence[PostId]) -> list[PostId]:
        """Those for which one of the answers is not known, each once."""
        every = [self._posts.headers(key_of(*each)) for each in self._asked]
        return list(dict.fromkeys(id_ for id_ in ids if not all(id_ in known for known in every)))

    async def read_ahead(self, ids: Sequence[PostId]) -> None:
        """For ``answers`` of the same posts, a moment later."""
        unknown = self._unknown(ids)
        self.cold = bool(unknown)
        if len(unknown) > FEW:
            self._ahead |= await self._posts.header_blocks(unknown)

    async def answers(self, ids: Sequence[PostId]) -> list[dict[PostId, bytes]]:
        """For each of the sections what is said of it, by post; one that the store does not have is left out."""
        found = [self._known(key_of(*each), ids) for each in self._asked]
        if all(len(known) == len(ids) for known in found):
            return found
        unknown = self._unknown(ids)
        blocks = {id_: self._ahead.pop(id_) for id_ in unknown if id_ in self._ahead}
        more = [id_ for id_ in unknown if id_ not in blocks]
        if len(more) > FEW:
            self.cold = True
            blocks |= await self._posts.header_blocks(more)
        elif more:
            blocks |= {id_: facts.header for id_, facts in (await self._posts.facts(more)).items()}
        for (section, names), known in zip(self._asked, found, strict=True):
            key = key_of(section, names)
            for id_, block in blocks.items():
                if id_ not in known:
                    answer = known[id_] = section_octets(section, _fields(section, names, block))
                    self._posts.keep_header(key, id_, answer)
        return found

    def _known(self, key: Hashable, ids: Sequence[PostId]) -> dict[PostId, bytes]:
        known = self._posts.headers(key)
        return {id_: known[id_] for id_ in ids if id_ in known}


def key_of(section: Section, names: frozenset[bytes]) -> Hashable:
    """Under which answers to it are kept.  names: its fields in lower case."""
    return section.form, section.text, names


def _fields(section: Section, names: frozenset[bytes], block: bytes) -> bytes:
    return header_fields(block, names, section.text is Text.HEADER_FIELDS_NOT)
