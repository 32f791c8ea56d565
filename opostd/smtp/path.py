"""The addresses of MAIL and RCPT: reverse_path and forward_path.

Pure.  RFC 5321 4.1.2 (grammar), 4.5.3.1 (lengths), RFC 6531 3.3 (UTF-8).  What must stay true: what is accepted
here has no control character, no line end and no NUL in it, and the whole text was matched, so that no two servers
read two addresses out of it.
"""

import re
from dataclasses import dataclass

from opostd.model.errors import BadAddress

MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2

# UTF8-non-ascii joins atext, qtext and the labels (RFC 6531 3.3); isprintable() takes the controls out afterwards.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_QUOTED = r'"(?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9\x80-\U0010ffff](?:[A-Za-z0-9\x80-\U0010ffff-]*[A-Za-z0-9\x80-\U0010ffff])?"
_LITERAL = r"\[[A-Za-z0-9.:-]+\]"
_PATH = re.compile(
    rf"<(?P<route>@[^:<>\"\s]*:)?"
    rf"(?P<local>{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    rf"(?:@(?P<domain>{_LABEL}(?:\.{_LABEL})*|{_LITERAL})(?P<dot>\.?))?>"
)
_PARAMETERS = re.compile(r" +(.*)|\Z", re.DOTALL)
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_RELAY_MARKS = frozenset("%!@")


@dataclass(frozen=True, slots=True)
class Path:
    """An address.  local: unquoted; domain: as written, empty in ``<>`` and in ``<postmaster>``.

    odd: it came with a source route or a dot after the domain; such an address is understood, and never served.
    """

    local: str
    domain: str
    odd: bool = False

    @property
    def is_null(self) -> bool:
        """``<>``, the sender of bounces."""
        return not self.local and not self.domain

    @property
    def address(self) -> str:
        """``local@domain``, the local part quoted only where it must be; empty for the null path."""
        local = self.local
        if not self.is_null and not _DOT_STRING.match(local):
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def is_ascii(self) -> bool:
        return self.local.isascii() and self.domain.isascii()

    @property
    def asks_for_relay(self) -> bool:
        """Whether it is written so that some server would send it on: route, percent, bang, an @ in quotes."""
        return self.odd or not _RELAY_MARKS.isdisjoint(self.local)


NULL = Path("", "")

# Looser than RFC 5321 4.1.3, for host names with "_" and scoped literals are in use; no comment, quote or bracket
# gets through that could mean something in a Received field.
_HELLO = re.compile(r"[A-Za-z0-9._:%+\-\[\]]{1,255}\Z")


def is_hello_name(text: str) -> bool:
    """Whether a client may call itself so in EHLO."""
    return _HELLO.match(text) is not None


def _parse(text: str, expected: str) -> tuple[Path, str]:
    match = _PATH.match(text)
    if match is None:
        raise BadAddress(expected)
    rest = _PARAMETERS.match(text, match.end())
    if rest is None:
        raise BadAddress(expected)
    local, domain, route, dot = match.group("local", "domain", "route", "dot")
    if not match[0].isascii() and not match[0].isprintable():
        raise BadAddress(expected)
    if local[0] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    domain = domain or ""
    if len(local.encode()) > MAX_LOCAL_OCTETS or len(domain.encode()) > MAX_DOMAIN_OCTETS or not local:
        raise BadAddress(expected)
    return Path(local, domain, bool(route or dot)), rest[1] or ""


def reverse_path(text: str) -> tuple[Path, str]:
    """The sender and the text of the parameters.  text: what follows ``FROM:``, from the ``<`` on.

    Raises BadAddress.  RFC 5321 4.1.1.2.
    """
    if text.startswith("<>"):
        rest = _PARAMETERS.match(text, 2)
        if rest is None:
            raise BadAddress("a space")
        return NULL, rest[1] or ""
    path, rest_text = _parse(text, "a reverse-path")
    if not path.domain:
        raise BadAddress("a domain")
    return path, rest_text


def forward_path(text: str) -> tuple[Path, str]:
    """The recipient and the text of the parameters.  text: what follows ``TO:``, from the ``<`` on.

    Only ``<postmaster>``, in any case, does without a domain (RFC 5321 4.1.1.3).  Raises BadAddress.
    """
    path, rest = _parse(text, "a forward-path")
    if not path.domain and path.local.lower() != "postmaster":
        raise BadAddress("a domain")
    return path, rest
