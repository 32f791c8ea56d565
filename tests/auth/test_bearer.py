"""OAUTHBEARER and XOAUTH2 as exchanges: what is shown, and what is told to who is refused (RFC 7628 3, 4)."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.auth import bearer, sasl
from opostd.auth.sasl import BadExchange, Bearer

RFC_TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="  # RFC 7628 4.1
GOOD = [
    # The examples of RFC 7628 4.1, 4.2 (without a discovery), 4.3
    (b"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer " + RFC_TOKEN.encode() + b"\1\1",
     Bearer("user@example.com", RFC_TOKEN)),
    (b"n,a=user@example.com,\1host=server.example.com\1port=143\1auth=\1\1", Bearer("user@example.com", "")),
    (b"n,a=user@example.com,\1host=server.example.com\1port=587\1auth=Bearer abc\1\1", Bearer("user@example.com", "abc")),
    (b"n,,\1auth=Bearer abc\1\1", Bearer("", "abc")),
    (b"y,,\1auth=bEARER   a.b-c_d~e+f/g= \1\1", Bearer("", "a.b-c_d~e+f/g=")),
    (b"n,a=a=2Cb=3Dc,\1auth=Bearer abc\1x=\t\r\n\1\1", Bearer("a,b=c", "abc")),
    ("n,a=änna,\1auth=Bearer abc\1\1".encode(), Bearer("änna", "abc")),
    (b"n,,\1\1", Bearer("", "")),
    (b"n,,\1auth=MAC abc\1\1", Bearer("", "")),
    (b"n,,\1auth=Bearer a b\1\1", Bearer("", "")),
    (b"n,,\1auth=Bearer " + b"x" * 8192 + b"\1\1", Bearer("", "x" * 8192)),
    (b"n,,\1auth=Bearer " + b"x" * 8193 + b"\1\1", Bearer("", "")),
]  # fmt: skip
BAD = [
    b"", b"\1", b"n,,", b"n,,\1", b"n,\1\1", b"p=tls-exporter,,\1auth=Bearer abc\1\1", b"n,a=,\1auth=Bearer a\1\1",
    b"n,,\1auth=Bearer a\1auth=Bearer b\1\1", b"n,,\1auth\1\1", b"n,,\1auth=Bearer \xff\1\1", b"n,,\1auth=Bearer a\0\1\1",
    b"n,a=\xff,\1auth=Bearer a\1\1", b"n,a=x=2Dy,\1auth=Bearer a\1\1", b"n,a=a\0b,\1auth=Bearer a\1\1",
    b"n,a=" + b"x" * 1025 + b",\1auth=Bearer a\1\1", b"n,,\1auth=Bearer a\1\1\1", b"user=a\1auth=Bearer b\1\1",
]  # fmt: skip
XOAUTH2_GOOD = [
    (b"user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1",
     Bearer("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")),
    (b"user=a\1auth=\1\1", Bearer("a", "")),
]  # fmt: skip
XOAUTH2_BAD = [
    b"", b"user=a\1\1", b"user=\1auth=Bearer b\1\1", b"user=a\1auth=Bearer b\1", b"user=\xff\1auth=Bearer b\1\1",
    b"auth=Bearer b\1user=a\1\1", b"user=a\0\1auth=Bearer b\1\1", b"n,,\1auth=Bearer b\1\1",
]  # fmt: skip


def _begin(mechanism: str) -> bearer.Exchange:
    return bearer.Exchange(mechanism, "mail", "https://id.example/.well-known/openid-configuration")


@pytest.mark.parametrize(("response", "shown"), GOOD)
def test_oauthbearer(response: bytes, shown: Bearer) -> None:
    assert _begin("OAUTHBEARER").step(response) == shown


@pytest.mark.parametrize("response", BAD)
def test_bad_oauthbearer(response: bytes) -> None:
    with pytest.raises(BadExchange):
        _begin("OAUTHBEARER").step(response)


@pytest.mark.parametrize(("response", "shown"), XOAUTH2_GOOD)
def test_xoauth2(response: bytes, shown: Bearer) -> None:
    assert _begin("XOAUTH2").step(response) == shown


@pytest.mark.parametrize("response", XOAUTH2_BAD)
def test_bad_xoauth2(response: bytes) -> None:
    with pytest.raises(BadExchange):
        _begin("XOAUTH2").step(response)


@pytest.mark.parametrize("mechanism", bearer.NAMES)
def test_without_an_initial_response(mechanism: str) -> None:
    assert _begin(mechanism).step(None) == b""


def test_what_is_told_to_who_is_refused() -> None:
    told = json.loads(_begin("OAUTHBEARER").refusal(insufficient=False))
    configuration = "https://id.example/.well-known/openid-configuration"
    assert told == {"status": "invalid_token", "scope": "mail", "openid-configuration": configuration}
    assert json.loads(_begin("OAUTHBEARER").refusal(insufficient=True))["status"] == "insufficient_scope"
    assert json.loads(_begin("XOAUTH2").refusal(insufficient=False)) == {
        "status": "401", "schemes": "bearer", "scope": "mail",
    }  # fmt: skip
    assert bearer.Exchange("OAUTHBEARER", "", "").refusal(insufficient=False) == b'{"status":"invalid_token"}'


def test_a_token_is_in_no_repr() -> None:
    assert "abc" not in repr(Bearer("anna", "abc"))


def test_the_longest_token_fits_a_response() -> None:
    response = b"n,a=" + b"a" * 200 + b",\1auth=Bearer " + b"x" * bearer.MAX_TOKEN_OCTETS + b"\1\1"
    assert len(base64.b64encode(response)) <= sasl.MAX_BASE64


@given(st.sampled_from(bearer.NAMES), st.binary(max_size=60) | st.sampled_from([each for each, _ in GOOD]))
def test_any_response_is_shown_or_bad(mechanism: str, response: bytes) -> None:
    try:
        shown = _begin(mechanism).step(response)
    except BadExchange:
        return
    assert isinstance(shown, Bearer)
