"""argon2id strings, and what of a password counts."""

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from opostd.auth import passwords
from opostd.model.errors import BadPassword

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

SAME = [  # RFC 8265 4.2.2
    ("a b", "a\u00a0b"),
    ("a b", "a\u3000b"),
    ("p\u00e4ss", "pa\u0308ss"),
    ("\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m"),
]
DIFFERENT = [("secret", "Secret"), ("secret", "secret "), ("secret", " secret"), ("\u2075", "5"), ("\uff41", "a")]
BAD = ["", "\0", "a\0b", "a\tb", "a\nb", "a\x7fb", "a\x85b", "\ud800", "\u0378", "x" * 1025, "é" * 513]


def test_a_hash_is_argon2id_salted_and_right_for_its_password_only() -> None:
    first, second = passwords.hash_password("secret"), passwords.hash_password("secret")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert passwords.verify(first, "secret")
    assert not passwords.verify(first, "Secret")
    assert not passwords.needs_rehash(first)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_password(one: str, other: str) -> None:
    assert passwords.prepare(one) == passwords.prepare(other)
    assert passwords.verify(CHEAP.hash(passwords.prepare(one)), other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_passwords(one: str, other: str) -> None:
    assert not passwords.verify(CHEAP.hash(passwords.prepare(one)), other)


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_a_password(text: str) -> None:
    with pytest.raises(BadPassword) as caught:
        passwords.hash_password(text)
    assert repr(text) not in str(caught.value)
    assert not passwords.verify(CHEAP.hash("-"), text)


def test_the_longest_password() -> None:
    assert passwords.prepare("x" * 1024) == "x" * 1024


@pytest.mark.parametrize("secret", [None, "", "x", "$argon2id$v=19$m=8,t=1,p=1$", passwords.DUMMY_SECRET])
@pytest.mark.parametrize("password", ["", "-", "secret"])
def test_no_secret_is_right_for_nothing(secret: str | None, password: str) -> None:
    assert not passwords.verify(secret, password)


def test_the_dummy_costs_what_a_real_one_costs() -> None:
    assert not passwords.needs_rehash(passwords.DUMMY_SECRET)  # the same parameters


@pytest.mark.parametrize("secret", [CHEAP.hash("secret"), "$2b$12$abc", ""], ids=["cheap", "bcrypt", "none"])
def test_other_parameters_need_a_new_hash(secret: str) -> None:
    assert passwords.needs_rehash(secret)


@given(st.text(min_size=1, max_size=40))
def test_prepared_is_prepared(text: str) -> None:
    try:
        prepared = passwords.prepare(text)
    except BadPassword:
        return
    assert passwords.prepare(prepared) == prepared
