"""What of a message a client asks for: BODY[...] as it is, BINARY[...] decoded, its preview.

RFC 9051 6.4.5, RFC 3516, RFC 8970.  A section is a slice by offsets that were computed at acceptance: nothing is
parsed here but the header of a part that is to be decoded.
"""

import asyncio

from opostd.imap.faults import UnknownEncoding
from opostd.imap.posts import Posts
from opostd.imap.values.fetch import Form, Section, Text
from opostd.mime.envelope import envelope
from opostd.mime.scan import MAX_HEADER_OCTETS, Kind, unpack
from opostd.mime.section import SectionName, decoded, encoding_of, find, header_fields, span
from opostd.mime.text import preview
from opostd.model.records import PostFacts

OFF_LOOP_OCTETS = 64 * 1024  # larger parts are decoded in a thread: others are served meanwhile
PREVIEW_OCTETS = 1024 * 1024  # of a message that are read for its preview: text further down is no beginning

SPANS = {Text.WHOLE: SectionName.WHOLE, Text.TEXT: SectionName.TEXT, Text.MIME: SectionName.MIME}


def from_header(section: Section) -> bool:
    """Whether the stored header block is enough: no octets of the message need be read."""
    return not section.path and section.text in (Text.HEADER, Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)


async def octets_of(posts: Posts, section: Section, facts: PostFacts, names: frozenset[bytes]) -> bytes | None:
    """The octets of a section, or None where the message has no such section.

    names: the section's fields in lower case, made once for many messages.  Raises UnknownEncoding.
    """
    if section.form is not Form.BODY:
        return await _decoded(posts, section, facts)
    if from_header(section):
        return _partial(_filtered(section, names, facts.header), section)
    size = facts.size
    if not section.path and section.text is Text.WHOLE:
        where: tuple[int, int] | None = (0, size)
    else:
        where = span(size, unpack(facts.parts), section.path, SPANS.get(section.text, SectionName.HEADER))
    if where is None:
        return None
    start, end = where
    if section.fields:
        return _partial(_filtered(section, names, await posts.raw(facts.id, start, end, size)), section)
    if section.partial is not None:
        offset, length = section.partial
        start = min(end, start + offset)
        end = min(end, start + length)
    return b"" if start == end else await posts.raw(facts.id, start, end, size)


def envelope_of(facts: PostFacts, utf8: bool) -> bytes:
    """ENVELOPE; to a client that has enabled UTF-8, raw UTF-8 of the header as it is (RFC 6855 3)."""
    if not utf8 or facts.header.isascii():
        return facts.envelope
    return envelope(facts.header[:MAX_HEADER_OCTETS], utf8=True)


async def preview_of(posts: Posts, facts: PostFacts) -> str:
    """The beginning of the message's text.  It is there already, but for posts accepted before there were previews."""
    if facts.preview is not None:
        return facts.preview
    octets = await posts.raw(facts.id, 0, min(facts.size, PREVIEW_OCTETS), facts.size)
    return await asyncio.to_thread(preview, octets, unpack(facts.parts))


async def _decoded(posts: Posts, section: Section, facts: PostFacts) -> bytes | None:
    """A part without its Content-Transfer-Encoding; a message or a multipart as it is, for neither has one."""
    if not section.path:
        return _partial(await posts.raw(facts.id, 0, facts.size, facts.size), section)
    tree = unpack(facts.parts)
    index = find(tree, section.path)
    if index is None:
        return None
    part = tree.parts[index]
    octets = await posts.raw(facts.id, part.start, part.end, facts.size)
    header, body = octets[: tree.looks()[index] - part.start], octets[part.body - part.start :]
    encoding = b"" if part.kind is Kind.MULTIPART else encoding_of(header)
    if len(body) < OFF_LOOP_OCTETS:
        plain = decoded(body, encoding)
    else:
        plain = await asyncio.to_thread(decoded, body, encoding)
    if plain is None:
        raise UnknownEncoding("the Content-Transfer-Encoding of this part is not known")
    return _partial(plain, section)


def _filtered(section: Section, names: frozenset[bytes], header: bytes) -> bytes:
    if section.text is Text.HEADER:
        return header
    return header_fields(header, names, section.text is Text.HEADER_FIELDS_NOT)


def _partial(octets: bytes, section: Section) -> bytes:
    if section.partial is None:
        return octets
    offset, length = section.partial
    return octets[offset : offset + length]
