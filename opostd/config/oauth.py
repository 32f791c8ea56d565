"""What is wrong with ``[oauth]``: it decides who is let in, so that a half of it is no setting."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from opostd.config.settings import OauthSettings

# Signatures by a key that only the issuer has.  HS256 would take the public key, or our own secret, for a signer's.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


def problems(oauth: OauthSettings) -> Iterator[tuple[str, str]]:
    """Key and problem, for each.  Whether files can be read is looked at elsewhere."""
    if not oauth.enabled:
        given = [name for name in ("issuer", "client_id", "audience", "required_scope") if getattr(oauth, name)]
        for name in given:
            yield name, "nobody logs in by a token without oauth.jwks_url or oauth.introspection_url"
        return
    if oauth.jwks_url and oauth.introspection_url:
        yield "introspection_url", "excludes oauth.jwks_url: signed tokens are checked here, others are asked about"
    for name in ("jwks_url", "introspection_url", "openid_configuration"):
        if (url := getattr(oauth, name)) and not _is_safe(url):
            yield name, f"expected a URL such as https://id.example.org/…, or http:// on loopback, got {url!r}"
    if oauth.jwks_url:
        for name in ("issuer", "audience"):
            if not getattr(oauth, name):
                yield name, "needed with oauth.jwks_url: a token that was made for another server must let nobody in"
    elif not oauth.audience and not oauth.required_scope:
        yield "audience", "needed, or required_scope: a token for something else must let nobody in"
    if not oauth.login_claim:
        yield "login_claim", 'expected the name of a claim such as "email"'
    unknown = [each for each in oauth.algorithms if each not in ALGORITHMS]
    if unknown or not oauth.algorithms:
        yield "algorithms", f"expected some of {', '.join(ALGORITHMS)}" + (f", got {unknown[0]!r}" if unknown else "")
    if oauth.client_secret_file and not oauth.client_id:
        yield "client_secret_file", "given without oauth.client_id"


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can answer in place of that server."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
