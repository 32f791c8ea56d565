"""Who asks: HTTP Basic (RFC 7617) by the passwords of the other doors, or a Bearer token (RFC 6750) of the issuer.

What must stay true: no password and no token is taken without TLS, but from this machine where the settings allow it;
guesses are counted and slowed down together with those at the other doors; a browser that another site sends here does
nothing with the password it remembers.
"""

import base64
import binascii
import logging

from opostd.auth.sasl import Bearer
from opostd.http.front import Client, Scope, header
from opostd.http.services import Services
from opostd.model.errors import LoginFailed, NotAllowed
from opostd.model.records import Account

log = logging.getLogger("opostd.http")

MAX_FIELD = 16 * 1024  # of Authorization: a token of 8 KiB and more than any password
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})  # none: the person has asked for it, not a page


class NoLogin(LoginFailed):
    """Nothing was said of who asks, or nothing that can be read."""


class NeedsTls(NotAllowed):
    """A password or a token without TLS."""


def check_way(client: Client, services: Services) -> None:
    """Raises NeedsTls where nobody may log in like this."""
    if not client.secure and not (client.local and services.settings.auth.plaintext_on_loopback):
        raise NeedsTls("log in under TLS: https")


def check_site(scope: Scope) -> None:
    """Raises NotAllowed for a change that a page of another site makes a browser ask for (Fetch Metadata, Origin).

    Where a browser says which site it was, its Origin is not asked: of a page that lets no referrer out it is ``null``.
    """
    if scope["method"] in SAFE:
        return
    client: Client = scope["opostd.client"]
    site, origin = header(scope, b"sec-fetch-site").lower(), header(scope, b"origin").lower()
    own = site in OWN_SITE if site else not origin or origin.partition("://")[2] == client.host
    if not own:
        raise NotAllowed("a change asked for by a page of another site")


async def account_of(scope: Scope, services: Services) -> Account:
    """Whose credentials came along.  Raises NoLogin, LoginFailed, NeedsTls, NotAllowed, Unavailable."""
    client: Client = scope["opostd.client"]
    check_way(client, services)
    check_site(scope)
    field = header(scope, b"authorization")
    if len(field) > MAX_FIELD:
        raise NoLogin("the field Authorization is too long")
    scheme, _, rest = field.partition(" ")
    name = ""
    try:
        if scheme.lower() == "basic":
            name, password = basic(rest.strip())
            return await services.auth.login(name, password, client.peer)
        if scheme.lower() == "bearer" and services.auth.tokens is not None:
            return await services.auth.show(Bearer("", rest.strip()), client.peer)
    except NoLogin:
        raise
    except LoginFailed:
        services.counts.failed_logins["http"] += 1
        log.warning("login-failed peer=%s name=%r", client.peer, name)
        raise
    raise NoLogin("log in: HTTP Basic with an address and its password")


def basic(text: str) -> tuple[str, str]:
    """Name and password (RFC 7617 2: UTF-8, the name has no colon).  Raises NoLogin."""
    try:
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise NoLogin("the field Authorization cannot be read") from error
    if not colon:
        raise NoLogin("the field Authorization cannot be read")
    return name, password


def challenges(services: Services) -> list[tuple[str, str]]:
    """The fields of a 401 (RFC 9110 11.6.1)."""
    found = [("WWW-Authenticate", 'Basic realm="opostd", charset="UTF-8"')]
    if services.auth.tokens is not None:
        found.append(("WWW-Authenticate", 'Bearer realm="opostd"'))
    return found
