"""What a token claims, judged: whose it is, or why it is none for this server.  Pure: the time is an argument.

RFC 7519 4.1, RFC 7662 2.2, RFC 9068 2.2, RFC 9700.  What must stay true: a token for another server of the same
issuer, one that is bound to a key which nobody has shown, a refresh token and an ID token of another client let nobody
in; a claim of the wrong type is no claim.
"""

from collections.abc import Mapping

from opostd.config import OauthSettings
from opostd.model.errors import LoginFailed

MAX_NAME = 1024  # characters, as of any name that logs in
MAX_SECONDS = 2.0**53  # JSON may have numbers that are no time: NaN, infinity, a thousand digits
ACCESS_TYPES = frozenset({"bearer", "access_token"})  # RFC 7662's token_type, and what some say in its place
OTHER_TYPES = frozenset({"refresh", "offline", "id", "logout"})  # Keycloak's claim ``typ``


class Expired(LoginFailed):
    """The token was right once: no guess, and not counted as one."""


class Insufficient(LoginFailed):
    """The token is right and lacks the scope: no guess either (RFC 6750 3.1)."""


def login_of(claims: Mapping[str, object], settings: OauthSettings, *, now: float, signed: bool) -> str:
    """The login that a token is for.

    now: seconds since 1970; signed: a JWT, which must say for itself who made it, for whom and until when; else the
    answer of the issuer to a question about it, which need not.  Raises LoginFailed, Expired, Insufficient.
    """
    if not _from(claims, settings.issuer, signed) or not _for(claims, settings.audience):
        raise LoginFailed("a token of another issuer, or for another audience")
    if "cnf" in claims or not _is_access(claims):
        raise LoginFailed("no bearer token")
    _check_time(claims, settings.clock_skew_s, now, signed)
    name = claims.get(settings.login_claim)
    if not isinstance(name, str) or not name or len(name) > MAX_NAME:
        raise LoginFailed(f"a token without {settings.login_claim}")
    # Who may choose an address at the issuer, and has not shown that it is theirs, would choose another's.
    if settings.login_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise LoginFailed("a token with an address that was not verified")
    if not set(settings.required_scope.split()) <= _scopes(claims):
        raise Insufficient("a token without the scope")
    return name


def _from(claims: Mapping[str, object], issuer: str, signed: bool) -> bool:
    if not issuer or (not signed and "iss" not in claims):
        return not signed
    return claims.get("iss") == issuer


def _for(claims: Mapping[str, object], audience: str) -> bool:
    if not audience:
        return True
    named = claims.get("aud")
    return audience in named if isinstance(named, list) else named == audience


def _is_access(claims: Mapping[str, object]) -> bool:
    kind, typ = claims.get("token_type", "bearer"), claims.get("typ", "")
    if not isinstance(kind, str) or not isinstance(typ, str):
        return False
    return kind.lower() in ACCESS_TYPES and typ.lower() not in OTHER_TYPES


def _check_time(claims: Mapping[str, object], skew_s: float, now: float, signed: bool) -> None:
    ends, begins = _seconds(claims, "exp"), _seconds(claims, "nbf")
    if ends is None and signed:
        raise LoginFailed("a token without an end")
    if ends is not None and now >= ends + skew_s:
        raise Expired("a token that has expired")
    if begins is not None and now < begins - skew_s:
        raise LoginFailed("a token that is not valid yet")


def _seconds(claims: Mapping[str, object], name: str) -> float | None:
    """A NumericDate; None where there is none.  Raises LoginFailed where it is something else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_SECONDS:
        raise LoginFailed(f"a token with a bad {name}")
    return value


def ends_at(claims: Mapping[str, object]) -> float | None:
    """When the token ends, seconds since 1970; None where it does not say.  Raises LoginFailed."""
    return _seconds(claims, "exp")


def _scopes(claims: Mapping[str, object]) -> set[str]:
    """``scope`` is words in one text (RFC 8693 4.2); ``scp`` is what Microsoft and Okta have in its place."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(each for each in value if isinstance(each, str))
    return found
