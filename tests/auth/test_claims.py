"""What a token must claim to be let in (RFC 7519 4.1, RFC 7662 2.2)."""

import dataclasses

import pytest

from opostd.auth.claims import Expired, Insufficient, login_of
from opostd.config import OauthSettings
from opostd.model.errors import LoginFailed

NOW = 1_700_000_000.0
SETTINGS = OauthSettings(
    issuer="https://id.example",
    jwks_url="https://id.example/keys",
    audience="mail",
    required_scope="read send",
    clock_skew_s=60.0,
)
RIGHT: dict[str, object] = {
    "iss": "https://id.example",
    "aud": ["other", "mail"],
    "exp": NOW + 10,
    "scope": "send openid read",
    "email": "anna@opost.example",
}


def _without(*names: str) -> dict[str, object]:
    return {key: value for key, value in RIGHT.items() if key not in names}


def _login(claims: dict[str, object], settings: OauthSettings = SETTINGS, signed: bool = True) -> str:
    return login_of(claims, settings, now=NOW, signed=signed)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"aud": "mail"}, {"exp": NOW - 59}, {"nbf": NOW + 59}, {"nbf": None}, {"exp": NOW + 0.5}, {"typ": "Bearer"},
        {"token_type": "Bearer"}, {"token_type": "access_token"}, {"email_verified": True}, {"email_verified": "true"},
        {"scope": None, "scp": "read send"}, {"scope": "x", "scp": ["read", "send", 7]}, {"aud": ["mail", 7]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("signed", [True, False])
def test_right(changed: dict[str, object], signed: bool) -> None:
    assert _login({**RIGHT, **changed}, signed=signed) == "anna@opost.example"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://id.example/"}, {"iss": ["https://id.example"]}, {"iss": None}, {"aud": "Mail"}, {"aud": []},
        {"aud": "other"}, {"aud": None}, {"aud": {"mail": 1}}, {"exp": "soon"}, {"exp": True}, {"nbf": NOW + 61},
        {"nbf": "x"}, {"exp": float("nan")}, {"cnf": {"jkt": "x"}}, {"cnf": None}, {"token_type": "DPoP"},
        {"token_type": "refresh_token"}, {"token_type": None}, {"typ": "Refresh"}, {"typ": "ID"}, {"typ": 7},
        {"email": None}, {"email": ""}, {"email": ["anna@opost.example"]}, {"email": "x" * 1025},
        {"email_verified": False}, {"email_verified": None}, {"email_verified": "false"}, {"email_verified": 1.5},
    ],
)  # fmt: skip
@pytest.mark.parametrize("signed", [True, False])
def test_wrong(changed: dict[str, object], signed: bool) -> None:
    with pytest.raises(LoginFailed):
        _login({**RIGHT, **changed}, signed=signed)


def test_a_signed_token_says_everything_itself() -> None:
    for name in ("iss", "aud", "exp", "email", "scope"):
        with pytest.raises(LoginFailed):
            _login(_without(name))
    with pytest.raises(LoginFailed):
        _login(RIGHT, dataclasses.replace(SETTINGS, issuer=""))


def test_an_answer_of_the_issuer_need_not() -> None:
    assert _login(_without("iss", "exp"), signed=False) == "anna@opost.example"
    with pytest.raises(LoginFailed):
        _login(_without("aud"), signed=False)
    assert _login(_without("aud"), dataclasses.replace(SETTINGS, audience=""), signed=False) == "anna@opost.example"


def test_expired_and_insufficient_are_told_apart() -> None:
    with pytest.raises(Expired):
        _login({**RIGHT, "exp": NOW - 60})
    for scope in ("", "read", "Read Send", 7, {"read": 1}):
        with pytest.raises(Insufficient):
            _login({**RIGHT, "scope": scope})


def test_another_claim() -> None:
    settings = dataclasses.replace(SETTINGS, login_claim="sub")
    assert _login({**RIGHT, "sub": "anna", "email_verified": False}, settings) == "anna"
