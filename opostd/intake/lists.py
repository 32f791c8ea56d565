"""The fields that say a message was sent to a source: List-Id, List-Post, List-Unsubscribe and their like.

Pure.  RFC 2919, RFC 2369, RFC 5064 (Archived-At).  They are the same for every reader, for one copy must do
(design.md 6).  So:

- a message to one source, and perhaps to persons, has that source's fields: they are true for whoever reads it;
- a message to several sources has none: RFC 2919 3 knows one List-Id, and one source's way out would be shown to the
  readers of another;
- List-Post stands only where its readers may post; mail programs offer "Reply to list" at its mere presence;
- the way out is a letter to the group's own address for that, or to its owners where they decide who is in it; and
  a page, where there are pages, on which the login says who;
- List-Archive and Archived-At stand only where somebody has said that there is an archive.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

from opostd.intake import words
from opostd.intake.message import Field, Message, field
from opostd.model.errors import MailLoop
from opostd.model.ids import PostId, post_id_text
from opostd.model.records import Joining, PostPolicy, ServiceKind, Source, service_address

# A list further up has had its say; two of one name are not allowed (RFC 2369 3).
_OURS = frozenset({b"archived-at"}) | {
    b"list-" + name
    for name in (b"id", b"post", b"unsubscribe", b"unsubscribe-post", b"help", b"subscribe", b"owner", b"archive")
}
_READERS_MAY_POST = frozenset({PostPolicy.MEMBERS, PostPolicy.LOCAL, PostPolicy.ANYONE})


def fields(source: Source, post: PostId, web: str = "") -> list[Field]:
    """Of one source.  post: the message's id; web: where browsers have the pages, or empty."""
    local, _, domain = source.address.rpartition("@")
    name = words.phrase(_one_line(source.title)) + b" " if source.title else b""
    identifier = f"{local}.{domain}".encode()
    found = [field("List-Id", name + b"<" + identifier + b">")]
    if source.post in _READERS_MAY_POST:
        found.append(field("List-Post", f"<mailto:{_mailto(source.address)}>".encode()))
    found.append(_letter("List-Help", source, ServiceKind.REQUEST, "help"))
    if source.joining is Joining.CLOSED:
        found.append(_letter("List-Unsubscribe", source, ServiceKind.OWNER, "unsubscribe"))
    else:
        found.append(_letter("List-Subscribe", source, ServiceKind.JOIN))
        found.append(_letter("List-Unsubscribe", source, ServiceKind.LEAVE, page=_page(source, web)))
    found.append(_letter("List-Owner", source, ServiceKind.OWNER))
    if source.archive:
        found.append(field("List-Archive", f"<{source.archive}>".encode()))
    if source.archived_at:
        found.append(field("Archived-At", f"<{source.archived_at.replace('{id}', post_id_text(post))}>".encode()))
    return found


def _letter(name: str, source: Source, kind: ServiceKind, subject: str = "", page: str = "") -> Field:
    rest = f"?subject={subject}" if subject else ""
    more = f",\r\n\t<{page}>" if page else ""
    return field(name, f"<mailto:{_mailto(service_address(source.address, kind))}{rest}>{more}".encode())


def _page(source: Source, web: str) -> str:
    """Where a reader who logs in finds the button; the same for all, so nothing for one-click (RFC 8058)."""
    return f"{web}/groups/{quote(source.address, safe='@')}" if web else ""


def addressed(message: Message, sources: Sequence[Source], post: PostId, web: str = "") -> Message:
    """The message as these sources send it on.  post: its id; web: as in ``fields``."""
    if not sources:
        return message
    message = message.without(lambda each: each.name in _OURS)
    return message.topped(fields(sources[0], post, web)) if len(sources) == 1 else message


def refuse_loop(message: Message, sources: Sequence[Source]) -> None:
    """A copy for a member elsewhere that comes back to its own source: of a list there that is a member of ours, too.

    Raises MailLoop.
    """
    ids = {each.address.replace("@", ".").encode() for each in sources}
    for each in message.all(b"list-id"):
        match = re.search(rb"<([^<>]*)>\s*\Z", each.value)
        if match is not None and match[1].lower() in ids:
            raise MailLoop("the message was sent by this group before")


def _mailto(address: str) -> str:
    return quote(address, safe="@+!$*'-._~")


def _one_line(title: str) -> str:
    """A title is what an administrator typed; a control character in it is a space."""
    return "".join(c if c.isprintable() else " " for c in title)
