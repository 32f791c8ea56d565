"""PLAIN and LOGIN as exchanges, and strict base64."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.auth import sasl
from opostd.auth.sasl import BadExchange, Login

# (mechanism, responses as they come; None: the command brought none), what comes out of each step
EXCHANGES: list[tuple[str, list[bytes | None], list[bytes | Login]]] = [
    ("PLAIN", [b"\0anna\0secret"], [Login("anna", "secret")]),
    ("plain", [b"\0anna\0secret"], [Login("anna", "secret")]),
    ("PLAIN", [None, b"\0anna\0secret"], [b"", Login("anna", "secret")]),
    ("PLAIN", [b"anna\0anna\0secret"], [Login("anna", "secret")]),
    ("PLAIN", [b"ANNA\0anna\0secret"], [Login("anna", "secret")]),
    ("PLAIN", ["\0änna\0pässword".encode()], [Login("änna", "pässword")]),
    ("PLAIN", [b"\0a\0" + b"x" * 1024], [Login("a", "x" * 1024)]),
    ("LOGIN", [None, b"anna", b"secret"], [b"Username:", b"Password:", Login("anna", "secret")]),
    ("Login", [b"anna", b"secret"], [b"Password:", Login("anna", "secret")]),
    ("LOGIN", [b"anna@opost.example", b"s p"], [b"Password:", Login("anna@opost.example", "s p")]),
]

BAD: list[tuple[str, list[bytes | None]]] = [
    ("PLAIN", [b""]),
    ("PLAIN", [b"anna"]),
    ("PLAIN", [b"anna\0secret"]),
    ("PLAIN", [b"\0anna\0secret\0"]),
    ("PLAIN", [b"\0\0anna\0secret"]),
    ("PLAIN", [b"\0\0"]),
    ("PLAIN", [b"\0anna\0"]),
    ("PLAIN", [b"\0\0secret"]),
    ("PLAIN", [b"\0\xff\0secret"]),
    ("PLAIN", [b"\0anna\0\xff"]),
    ("PLAIN", [b"\0a\0" + b"x" * 1025]),
    ("PLAIN", [b"\0" + b"a" * 1025 + b"\0x"]),
    ("PLAIN", [b"a" * 1025 + b"\0a\0x"]),
    ("PLAIN", [None, b""]),
    ("LOGIN", [b""]),
    ("LOGIN", [None, b""]),
    ("LOGIN", [b"anna", b""]),
    ("LOGIN", [b"an\0na"]),
    ("LOGIN", [b"anna", b"s\0"]),
    ("LOGIN", [b"\xff"]),
    ("LOGIN", [b"a" * 1025]),
    ("LOGIN", [b"anna", b"x" * 1025]),
]

BASE64 = [
    ("", b""),
    ("=", b""),
    ("AGFubmEAc2VjcmV0", b"\0anna\0secret"),
    ("YQ==", b"a"),
    ("YWI=", b"ab"),
    ("/+8=", b"\xff\xef"),
]
BAD_BASE64 = [
    "!!!", "A", "AA", "AAA", "YQ=", "YQ", "==", "===", "=YQ=", "YQ==YQ==", "YQ== ", " YQ==", "Y Q==", "YQ==\r\n",
    "YR==", "YWJ=", "_-8=", "*", "é===", "YQ\0=", "A" * 12292,
]  # fmt: skip


@pytest.mark.parametrize(("mechanism", "responses", "steps"), EXCHANGES)
def test_exchanges(mechanism: str, responses: list[bytes | None], steps: list[bytes | Login]) -> None:
    exchange = sasl.begin(mechanism)
    assert exchange is not None
    assert [exchange.step(response) for response in responses] == steps


@pytest.mark.parametrize(("mechanism", "responses"), BAD)
def test_bad_exchanges(mechanism: str, responses: list[bytes | None]) -> None:
    exchange = sasl.begin(mechanism)
    assert exchange is not None
    for response in responses[:-1]:
        assert isinstance(exchange.step(response), bytes)
    with pytest.raises(BadExchange):
        exchange.step(responses[-1])


@pytest.mark.parametrize(
    "mechanism", ["", "CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "EXTERNAL", "PLAIN ", "XOAUTH2", "PLA\u0131N"]
)
def test_other_mechanisms_are_not_offered(mechanism: str) -> None:
    assert sasl.begin(mechanism) is None


@pytest.mark.parametrize("authzid", ["bob", "anna@other.example", "anna ", "root"])
def test_acting_for_another_becomes_a_login_that_cannot_be(authzid: str) -> None:
    exchange = sasl.begin("PLAIN")
    assert exchange is not None
    login = exchange.step(f"{authzid}\0anna\0secret".encode())
    assert login == Login(f"{authzid}\0anna", "secret")  # no name has a NUL: see test_login


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Login("anna", "secret"))


@pytest.mark.parametrize(("text", "octets"), BASE64)
def test_base64(text: str, octets: bytes) -> None:
    assert sasl.decode(text) == octets
    assert sasl.decode(text.encode()) == octets
    if text != "=":
        assert sasl.encode(octets) == text


@pytest.mark.parametrize("text", BAD_BASE64)
def test_bad_base64(text: str) -> None:
    with pytest.raises(BadExchange):
        sasl.decode(text)
    with pytest.raises(BadExchange):
        sasl.decode(text.encode())


@given(st.binary(max_size=200))
def test_what_is_encoded_is_decoded(octets: bytes) -> None:
    assert sasl.decode(sasl.encode(octets)) == octets


@given(st.one_of(st.text(max_size=30), st.text("ABCDwxyz0129+/=", max_size=12)))
def test_there_is_one_spelling_of_each_response(text: str) -> None:
    try:
        octets = sasl.decode(text)
    except BadExchange:
        return
    assert text == "=" or base64.b64encode(octets).decode() == text


@given(st.sampled_from(sasl.NAMES), st.lists(st.none() | st.binary(max_size=40), min_size=1, max_size=4))
def test_any_responses_give_a_challenge_a_login_or_bad_exchange(mechanism: str, responses: list[bytes | None]) -> None:
    exchange = sasl.begin(mechanism)
    assert exchange is not None
    for response in responses:
        try:
            step = exchange.step(response)
        except BadExchange:
            return
        if isinstance(step, Login):
            assert step.name
            assert step.password
            return


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(NAMES, NAMES)
def test_any_name_and_password_go_through(name: str, password: str) -> None:
    plain, login = sasl.begin("PLAIN"), sasl.begin("LOGIN")
    assert plain is not None
    assert login is not None
    assert plain.step(f"\0{name}\0{password}".encode()) == Login(name, password)
    assert login.step(name.encode()) == b"Password:"
    assert login.step(password.encode()) == Login(name, password)
