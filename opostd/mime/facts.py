"""All that is computed of a message at acceptance, in one call (PostFacts, NewPost).

What must stay true: any octets give facts; texts in them have no NUL and no lone surrogate, which PostgreSQL
refuses; the thread of a message depends on its header alone, so that two servers of one store agree.
"""

import hashlib
import re

from opostd.mime.bodystructure import structures
from opostd.mime.charsets import clean_line
from opostd.mime.dates import sent
from opostd.mime.envelope import Header
from opostd.mime.headers import decode_words
from opostd.mime.scan import MAX_HEADER_OCTETS, Tree, pack, scan
from opostd.mime.sought import sought_of
from opostd.mime.text import Texts
from opostd.model.ids import PostId
from opostd.model.records import NewPost, PostFacts

MAX_MESSAGE_ID = 998  # characters: RFC 5322 2.1.1, a line; an index takes no more than about 2700 octets
MAX_SENDER = 1000
_DAY_S = 24 * 60 * 60
_THREAD_OCTETS = 16
_MSG_ID = re.compile(rb"<([^<>\s]++)>")


def new_post(raw: bytes, *, id: PostId, now: int) -> NewPost:
    """The post that the store keeps.  now: the time of acceptance in seconds."""
    tree = scan(raw)
    looked_at = _looked_at(raw, tree)
    read, texts = Header(looked_at), Texts(raw, tree)
    # The preview first: what it has read of a short text serves the search text too.
    found = _facts(raw, tree, read, texts, id, now)
    return NewPost(found, raw, texts.search_text(), sought_of(looked_at, read))


def facts(raw: bytes, *, id: PostId, now: int) -> PostFacts:
    """The facts alone, without the search text.  now: the time of acceptance in seconds."""
    tree = scan(raw)
    return _facts(raw, tree, Header(_looked_at(raw, tree)), Texts(raw, tree), id, now)


def _looked_at(raw: bytes, tree: Tree) -> bytes:
    return raw[: min(tree.parts[0].body, MAX_HEADER_OCTETS)]


def _facts(
    raw: bytes, tree: Tree, read: Header, texts: Texts, id: PostId, now: int
) -> PostFacts:  # fmt: skip
    header = raw[: tree.parts[0].body]
    body, bodystructure = structures(raw, tree)
    date = sent(read.texts.get(b"date", b""))
    message_id = read.texts.get(b"message-id", b"")
    return PostFacts(
        id=id,
        size=len(raw),
        sent=now if date is None else date.seconds,
        sent_day=now // _DAY_S if date is None else date.day,
        envelope=read.envelope(),
        body=body,
        bodystructure=bodystructure,
        header=header,
        parts=pack(tree),
        sender=_sender(read),
        subject=decode_words(read.texts.get(b"subject", b"")),
        message_id=clean_line(message_id.decode("latin-1"))[:MAX_MESSAGE_ID],
        thread=thread(read.texts, id),
        preview=texts.preview(),
    )


def _sender(read: Header) -> str:
    """The display name of the first author, or the address where there is none; "" without a From."""
    for entry in read.lists.get(b"from", ()):
        if entry.host is not None:
            return ((decode_words(entry.name) if entry.name else "") or entry.spec)[:MAX_SENDER]
    return ""


def thread(texts: dict[bytes, bytes], id: PostId) -> PostId:
    """16 octets that all messages of a conversation share (RFC 8474 5.2), from the id of its first message.

    That is the first of References, else In-Reply-To, else the own Message-ID (RFC 5322 3.6.4); without any of them
    the post's own id.
    """
    for name in (b"references", b"in-reply-to", b"message-id"):
        if match := _MSG_ID.search(texts.get(name, b"")):
            left, at, domain = match[1].rpartition(b"@")
            root = left + at + domain.lower()  # a domain has no case, what is before it has
            return PostId(hashlib.blake2b(root, digest_size=_THREAD_OCTETS, person=b"opostd thread").digest())
    return id
