"""A copy for a group's member elsewhere whose author's domain forbids others to send its mail.

RFC 7489 6.3, 6.6.3 (where a domain's policy stands).  Such a domain asks that mail with its name in From be refused
unless it comes from its own servers, which we are not: so the copy is written by the group, and the author stands in
its name and in Reply-To.  What must stay true: the post that is kept is not changed, only what leaves; who is of our
own domains keeps their name; a policy that cannot be had now is taken to forbid it.
"""

import asyncio
import re
from collections.abc import Sequence

from publicsuffixlist import PublicSuffixList

from opostd.checks.dns import NoSuchName, NotKnown, Resolver, ascii_name
from opostd.intake.message import Field, field, header_fields
from opostd.intake.words import phrase
from opostd.mime.addresses import addresses
from opostd.mime.charsets import clean_line
from opostd.mime.headers import decode_words

MAX_AUTHORS = 10  # whose domains are looked up
MAX_NAME = 60  # characters of an author's name in the group's


class Rewriter:
    """Looks policies up.  domains: ours."""

    def __init__(self, resolver: Resolver, domains: Sequence[str]) -> None:
        self._resolver = resolver
        self._domains = frozenset(each.lower() for each in domains)
        self._suffixes = PublicSuffixList(accept_unknown=True)

    async def copy(self, raw: bytes, via: str) -> bytes:
        """The octets for a member of the group ``via``: these, or with another From."""
        found = await asyncio.to_thread(author_domains, raw)
        for domain in found[:MAX_AUTHORS]:
            if domain not in self._domains and await self._forbids(domain):
                return await asyncio.to_thread(rewritten, raw, via)
        return raw

    async def _forbids(self, domain: str) -> bool:
        try:
            name = ascii_name(domain)
            own = await self._policy(name)
            if own is not None:
                return _strict(own.get("p", "none"))
            above = self._suffixes.privatesuffix(name)
            if above is None or above == name:
                return False
            theirs = await self._policy(above)
        except NoSuchName:
            return False
        except NotKnown:
            return True
        return theirs is not None and _strict(theirs.get("sp", theirs.get("p", "none")))

    async def _policy(self, name: str) -> dict[str, str] | None:
        try:
            found = await self._resolver.find(f"_dmarc.{name}", "TXT")
        except NoSuchName:
            return None
        return policy([b"".join(each.strings).decode("ascii", "replace") for each in found.records])


def policy(texts: Sequence[str]) -> dict[str, str] | None:
    """The tags of the one DMARC record among TXT records; None where there is not one."""
    ours = [each for each in texts if re.match(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)", each)]
    if len(ours) != 1:  # RFC 7489 6.6.3: several are none
        return None
    tags: dict[str, str] = {}
    for each in ours[0].split(";"):
        key, _, value = each.partition("=")
        tags.setdefault(key.strip().lower(), value.strip().lower())
    return tags


def _strict(value: str) -> bool:
    return value in ("quarantine", "reject")


def author_domains(raw: bytes) -> list[str]:
    """Domains in From, lower case, each once."""
    found = [
        each.host for field in _header(raw)[0] if field.name == b"from" for each in addresses(field.value, MAX_AUTHORS)
    ]
    return list(dict.fromkeys(host.decode("utf-8", "replace").lower().rstrip(".") for host in found if host))


def rewritten(raw: bytes, via: str) -> bytes:
    """As written by the group ``via``, with the author in Reply-To unless there is one."""
    fields, rest = _header(raw)
    authors = [each for each in fields if each.name == b"from"]
    if not authors:
        return raw
    entries = [each for each in addresses(authors[0].value, MAX_AUTHORS) if each.host is not None]
    name = decode_words(entries[0].name) if entries and entries[0].name else entries[0].spec if entries else ""
    local = via.partition("@")[0]
    shown = phrase(f"{clean_line(name)[:MAX_NAME].strip() or 'Somebody'} via {local}")
    new: list[Field] = [field("From", shown + b"\r\n <" + via.encode() + b">")]
    if not any(each.name == b"reply-to" for each in fields):
        new.append(Field(b"reply-to", b"Reply-To:" + authors[0].octets.partition(b":")[2]))
    kept: list[Field] = []
    for each in fields:
        if each.name != b"from":
            kept.append(each)
        elif new:
            kept += new
            new = []
    return b"".join([*(each.octets for each in kept), rest])


def _header(raw: bytes) -> tuple[list[Field], bytes]:
    end = raw.find(b"\r\n\r\n")
    cut = len(raw) if end < 0 else end + 2
    return header_fields(raw[:cut]), raw[cut:]
