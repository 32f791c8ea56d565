"""The session of a browser: a cookie with a token, and what proves that a form is one of ours.

What must stay true (security.md 1.6): the token is new at each log-in and stands nowhere but in the cookie; a form is
taken from the session that it was made for alone; a changed password or a disabled account ends the session.
"""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import blake2b, sha256

from opostd.http.front import Client, Scope
from opostd.http.services import Services
from opostd.model.ids import OwnerId
from opostd.model.records import Account, AccountState
from opostd.store import accounts, sessions

SESSION_S = 12 * 3600  # a working day
TOKEN_OCTETS = 32
MAX_OWNER = 2**63 - 1
PLAIN, SECURE = "opostd", "__Host-opostd"  # RFC 6265bis 4.1.3.2: a browser takes the second under TLS alone


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in.  token: only the browser has it, and this request."""

    account: Account
    token: str

    @property
    def form_token(self) -> str:
        """What stands in each form of this session."""
        return hmac.new(self.token.encode(), b"form", sha256).hexdigest()

    def made(self, form_token: str) -> bool:
        """Whether a form with this token was made for this session."""
        return hmac.compare_digest(form_token.encode(), self.form_token.encode())


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def mark_of(account: Account) -> str:
    """Of the password that was right."""
    return blake2b((account.secret or "").encode(), digest_size=16).hexdigest()


async def begin(services: Services, account: Account) -> Session:
    """A new one."""
    token = secrets.token_urlsafe(TOKEN_OCTETS)
    now = services.now()
    await services.store.run(sessions.begin, account.owner, digest(token), mark_of(account), now, now + SESSION_S)
    return Session(account, token)


async def end(services: Services, session: Session) -> None:
    await services.store.run(sessions.end, session.account.owner, digest(session.token))


async def found(services: Services, scope: Scope) -> Session | None:
    """The session of a request; None where there is none, or none any more."""
    client: Client = scope["opostd.client"]
    owner, _, token = _cookie(scope, SECURE if client.secure else PLAIN).partition(".")
    if not owner.isascii() or not owner.isdecimal() or len(owner) > 19 or not token or int(owner) > MAX_OWNER:
        return None
    who = OwnerId(int(owner))
    mark = await services.store.run(sessions.mark, who, digest(token), services.now())
    account = await services.store.run(accounts.account, who) if mark is not None else None
    if account is None or account.state is not AccountState.ACTIVE or account.secret is None:
        return None
    return Session(account, token) if mark is not None and hmac.compare_digest(mark, mark_of(account)) else None


def _cookie(scope: Scope, name: str) -> str:
    """The first cookie of that name, or nothing (RFC 6265 4.2.1, 5.4).

    Others of this host's, whatever stands in them, are other programs' and end nothing.
    """
    for key, value in scope["headers"]:
        if key == b"cookie":
            pairs: list[str] = value.decode("latin-1").split(";")
            for said, _, found in (pair.strip().partition("=") for pair in pairs):
                if said == name:
                    return found
    return ""


def cookie(session: Session | None, client: Client) -> str:
    """The field Set-Cookie that begins a session, or with None ends it."""
    value = f"{session.account.owner}.{session.token}" if session is not None else ""
    name = SECURE if client.secure else PLAIN
    lasts = SESSION_S if session is not None else 0
    found = f"{name}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Lax"
    return f"{found}; Secure" if client.secure else found
