"""SCRAM-SHA-256 as an exchange (RFC 5802, RFC 7677), with the example of RFC 7677 3."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.auth import scram
from opostd.auth.sasl import BadExchange, NeedKeys, Proof
from opostd.auth.scram import Exchange, Keys
from opostd.model.errors import BadPassword
from tests.auth.scram_client import ScramClient

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = scram.make("pencil", salt=SALT, iterations=4096)
NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
BOTH = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
FINAL = b"c=biws,r=" + BOTH + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


def exchange(bindings: dict[str, bytes] | None = None, *, plus: bool = False) -> Exchange:
    return Exchange(NONCE, bindings or {}, plus=plus)


# RFC 7677 3 (1): octet by octet
def test_the_example_of_the_rfc() -> None:
    server = exchange()
    assert server.step(None) == b""
    assert server.step(FIRST) == NeedKeys("user")
    assert server.keyed(KEYS) == b"r=" + BOTH + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert server.step(FINAL) == Proof(
        "user", scram.pack(KEYS), True, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )


def test_another_password_proves_nothing() -> None:
    for keys in (scram.make("pencils", salt=SALT, iterations=4096), scram.nobody("user", b"secret", 4096)):
        server = exchange()
        server.step(FIRST)
        server.keyed(keys)
        proof = server.step(FINAL)
        assert isinstance(proof, Proof)
        assert not proof.right


def talk(server: Exchange, client: ScramClient, keys: Keys = KEYS) -> Proof:
    asked = server.step(client.first)
    assert isinstance(asked, NeedKeys)
    proof = server.step(client.answer(server.keyed(keys)))
    assert isinstance(proof, Proof)
    return proof


@pytest.mark.parametrize("name", ["user", "a=b,c", "jürgen@opost.example", "=2C"])
def test_names(name: str) -> None:
    proof = talk(exchange(), ScramClient(name, "pencil"))
    assert (proof.name, proof.right) == (name, True)


def test_both_sides_know_the_password() -> None:
    client = ScramClient("user", "pencil")
    client.answer(talk(exchange(), client).signature)
    assert client.verified


BINDING = ("tls-exporter", b"\0channel\xff")
BINDINGS = {"tls-exporter": BINDING[1], "tls-server-end-point": b"certificate"}


def test_channel_binding() -> None:
    assert talk(exchange(BINDINGS, plus=True), ScramClient("user", "pencil", BINDING)).right
    other = ScramClient("user", "pencil", ("tls-server-end-point", b"certificate"))
    assert talk(exchange(BINDINGS, plus=True), other).right
    # A client that cannot bind is served; one that could, and was not offered it, has somebody in between.
    assert talk(exchange(BINDINGS), ScramClient("user", "pencil")).right
    assert talk(exchange(), ScramClient("user", "pencil", flag="y")).right
    with pytest.raises(BadExchange):
        exchange(BINDINGS).step(ScramClient("user", "pencil", flag="y").first)


def test_another_channel_is_refused() -> None:
    server, client = exchange(BINDINGS, plus=True), ScramClient("user", "pencil", ("tls-exporter", b"another channel"))
    server.step(client.first)
    with pytest.raises(BadExchange):
        server.step(client.answer(server.keyed(KEYS)))


@pytest.mark.parametrize(
    ("first", "plus"),
    [
        (b"", False),
        (b"n,,n=user", False),
        (b"n,,r=abc,n=user", False),
        (b"n,,n=,r=abc", False),
        (b"n,,n=user,r=", False),
        (b"n,,n=us=er,r=abc", False),
        (b"n,,n=us=2cer,r=abc", False),
        (b"n,,n=us\0er,r=abc", False),
        (b"n,,n=\xff,r=abc", False),
        (b"n,,m=x,n=user,r=abc", False),  # an extension that must be known (RFC 5802 5.1)
        (b"n,,n=user,r=a b", False),
        (b"n,,n=user,r=" + b"a" * 257, False),
        (b"n,,n=" + b"a" * 1025 + b",r=abc", False),
        (b"n,,n=user,r=abc" + b",x=y" * 2000, False),
        (b"x,,n=user,r=abc", False),
        (b"p=tls-exporter,,n=user,r=abc", False),
        (b"n,,n=user,r=abc", True),
        (b"y,,n=user,r=abc", True),
        (b"p=tls-unique,,n=user,r=abc", True),
        (b"p=,,n=user,r=abc", True),
    ],
)
def test_bad_first_messages(first: bytes, plus: bool) -> None:
    with pytest.raises(BadExchange):
        exchange(BINDINGS if plus else None, plus=plus).step(first)


def test_extensions_and_authorization_identities() -> None:
    assert exchange().step(b"n,,n=user,r=abc,x=y") == NeedKeys("user")
    assert exchange().step(b"n,a=user,n=user,r=abc") == NeedKeys("user")
    assert exchange().step(b"n,a=boss,n=user,r=abc") == NeedKeys("boss\0user")  # nobody has that name


@pytest.mark.parametrize(
    "final",
    [
        b"",
        FIRST,
        FINAL.replace(b"c=biws", b"c=eSws"),
        FINAL.replace(b"c=biws", b"c=!"),
        FINAL.replace(b"c=biws", b"c=biw"),
        FINAL.replace(BOTH, BOTH[:-1]),
        FINAL.replace(BOTH, BOTH + b"x"),
        FINAL.partition(b",p=")[0],
        FINAL + b",x=y",
        FINAL[:-1],
    ],
)
def test_bad_final_messages(final: bytes) -> None:
    server = exchange()
    server.step(FIRST)
    server.keyed(KEYS)
    with pytest.raises(BadExchange):
        server.step(final)


def test_a_proof_of_another_length_is_wrong() -> None:
    server = exchange()
    server.step(FIRST)
    server.keyed(KEYS)
    proof = server.step(FINAL.partition(b",p=")[0] + b",p=YWJj")
    assert isinstance(proof, Proof)
    assert not proof.right


def test_packed_keys() -> None:
    packed = scram.pack(KEYS)
    assert packed.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert scram.unpack(packed) == KEYS
    for text in (None, "", "$argon2id$v=19$", packed + "$", packed + "x", packed.replace("4096", "x")):
        assert scram.unpack(text) is None
    made = scram.unpack(scram.packed("secret", 4096))
    assert made is not None
    assert made == scram.make("secret", salt=made.salt, iterations=4096)
    assert scram.packed("secret", 4096) != scram.packed("secret", 4096)
    assert scram.packed("secret", 0) is None
    with pytest.raises(BadPassword):
        scram.packed("", 4096)


def test_nobody_has_the_same_salt_each_time() -> None:
    one = scram.nobody("anna@x", b"secret", 4096)
    assert one == scram.nobody("anna@x", b"secret", 4096)
    assert len(one.salt) == scram.SALT_OCTETS
    assert one.salt not in (scram.nobody("bob@x", b"secret", 4096).salt, scram.nobody("anna@x", b"other", 4096).salt)


def test_no_keys_in_a_log() -> None:
    assert "SCRAM" not in repr(Proof("user", scram.pack(KEYS), True, b"v=x"))


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([FIRST, FINAL, b"n,,n=a,r=b", b"c=biws,r=b,p=YQ=="]), max_size=3)
)
def test_any_octets(responses: list[bytes]) -> None:
    server = exchange()
    try:
        for response in responses:
            if isinstance(server.step(response), NeedKeys):
                server.keyed(KEYS)
    except BadExchange:
        pass
