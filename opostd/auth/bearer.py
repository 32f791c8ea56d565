"""OAUTHBEARER (RFC 7628) and XOAUTH2 (as Google and Microsoft have it): who logs in shows a token of the organisation.

Pure.  A token is as good as a password to whoever sees it, so a door offers these under TLS only, and no loopback
excepted (RFC 7628 3).  A refused login has one more step: the server says in JSON what a token should have been, the
client answers with nothing, and only then comes the failure (RFC 7628 3.2.2, 3.2.3).
"""

import json
import re

from opostd.auth.sasl import MAX_OCTETS, BadExchange, Bearer

OAUTHBEARER, XOAUTH2 = "OAUTHBEARER", "XOAUTH2"
NAMES = (OAUTHBEARER, XOAUTH2)
"""As they are announced, best first."""

MAX_TOKEN_OCTETS = 8192  # real ones stay under half of it; in base64 it still fits RFC 4954's line of 12288

# RFC 7628 3.1: gs2-header kvsep *kvpair kvsep.  Channel binding (``p=``) is not for this mechanism; ``y`` is.
_RESPONSE = re.compile(rb"[ny],(?:a=(?P<authzid>[^,\x00\x01]+))?,\x01(?P<pairs>(?:[A-Za-z]+=[\t\n\r -~]*\x01)*)\x01")
_XOAUTH2 = re.compile(rb"user=(?P<user>[^\x00\x01]+)\x01auth=(?P<auth>[^\x00\x01]*)\x01\x01")
_TOKEN = re.compile(rb"(?i:bearer) +(?P<token>[A-Za-z0-9._~+/-]+=*) *")  # RFC 6750 2.1: b64token
_ESCAPED = re.compile(rb"=(2C|3D)?")


class Exchange:
    """One login under way.  scope, configuration: told to whoever is refused; empty: not told."""

    def __init__(self, mechanism: str, scope: str, configuration: str) -> None:
        self._mechanism = mechanism
        self._scope = scope
        self._configuration = configuration

    def step(self, response: bytes | None) -> bytes | Bearer:
        """What is shown, or the empty challenge where the command brought nothing.  Raises BadExchange."""
        if response is None:
            return b""
        if self._mechanism == XOAUTH2:
            found = _XOAUTH2.fullmatch(response)
            if found is None:
                raise BadExchange
            return Bearer(_text(found["user"]), _token(found["auth"]))
        found = _RESPONSE.fullmatch(response)
        if found is None:
            raise BadExchange
        name = _saslname(found["authzid"] or b"")
        auth = [
            value for key, _, value in (pair.partition(b"=") for pair in found["pairs"].split(b"\1")) if key == b"auth"
        ]
        if len(auth) > 1:
            raise BadExchange
        return Bearer(name, _token(auth[0]) if auth else "")

    def refusal(self, *, insufficient: bool) -> bytes:
        """The challenge of a refused login.  insufficient: the token is right, but not for mail."""
        if self._mechanism == XOAUTH2:
            told = {"status": "403" if insufficient else "401", "schemes": "bearer", "scope": self._scope}
        else:
            status = "insufficient_scope" if insufficient else "invalid_token"
            told = {"status": status, "scope": self._scope, "openid-configuration": self._configuration}
        return json.dumps({key: value for key, value in told.items() if value}, separators=(",", ":")).encode("ascii")


def _token(auth: bytes) -> str:
    """The token of ``Bearer TOKEN``; empty where there is none: who asks so wants to be told (RFC 7628 4.3)."""
    found = _TOKEN.fullmatch(auth)
    if found is None or len(found["token"]) > MAX_TOKEN_OCTETS:
        return ""
    return found["token"].decode("ascii")


def _saslname(octets: bytes) -> str:
    """RFC 5801 4: a comma is ``=2C``, an equals sign ``=3D``."""

    def plain(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise BadExchange
        return b"," if match[1] == b"2C" else b"="

    return _text(_ESCAPED.sub(plain, octets))


def _text(octets: bytes) -> str:
    if len(octets) > MAX_OCTETS:
        raise BadExchange
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadExchange from None
