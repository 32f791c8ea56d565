"""Rights and their letters; who has what of a list (RFC 4314 2, 2.1.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.model.flags import ALL_FLAGS, ANSWERED, DELETED, EVERY_FLAG, SEEN, FlagAction, Flags, FlagScope, apply_flags
from opostd.model.rights import (
    ALL_RIGHTS,
    ANYONE,
    LETTERS,
    NO_RIGHTS,
    Change,
    Entry,
    Grantee,
    GranteeKind,
    Rights,
    changed,
    effective,
    flag_scope,
    letters_of,
    rights_of,
)

RIGHTS = st.integers(0, int(ALL_RIGHTS)).map(Rights)
ANNA, TEAM = Grantee(GranteeKind.PERSON, 7), Grantee(GranteeKind.GROUP, 7)


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("", ""),
        ("lr", "lr"),
        ("rl", "lr"),
        ("lrswida", "lrswiteda"),
        ("lrswikda", "lrswiktecda"),
        ("x", "xc"),
        ("e", "ed"),
        ("cd", "kxtecd"),
        ("lrswipkxtea", LETTERS),
    ],
)
def test_letters(given_: str, shown: str) -> None:
    assert letters_of(rights_of(given_)) == shown


@given(RIGHTS)
def test_letters_and_back(rights: Rights) -> None:
    """What is shown may be given back, by a client that ignores the two obsolete letters, as RFC 4314 bids it."""
    assert rights_of(letters_of(rights).replace("c", "").replace("d", "")) == rights


@pytest.mark.parametrize("bad", ["L", "q", "l r", "0", "-", "é"])
def test_no_letters(bad: str) -> None:
    with pytest.raises(ValueError, match="there is no right"):
        rights_of(bad)


def test_the_bits_are_for_ever() -> None:
    """Rows have them."""
    assert [(right.name, int(right)) for right in Rights] == [
        ("LOOKUP", 1), ("READ", 2), ("SEEN", 4), ("WRITE", 8), ("INSERT", 16), ("POST", 32), ("CREATE", 64),
        ("REMOVE", 128), ("DELETE", 256), ("EXPUNGE", 512), ("ADMIN", 1024),
    ]  # fmt: skip


def test_changes() -> None:
    old = rights_of("lrs")
    assert changed(old, Change.ADD, rights_of("sw")) == rights_of("lrsw")
    assert changed(old, Change.REMOVE, rights_of("sw")) == rights_of("lr")
    assert changed(old, Change.REPLACE, NO_RIGHTS) == NO_RIGHTS


def test_denied_is_denied_whatever_grants_it() -> None:
    entries = [
        Entry(ANYONE, rights_of("l")),
        Entry(TEAM, rights_of("rsw")),
        Entry(ANNA, rights_of("i"), rights_of("w")),
    ]
    assert effective(entries, frozenset({ANYONE})) == rights_of("l")
    assert effective(entries, frozenset({ANYONE, TEAM})) == rights_of("lrsw")
    assert effective(entries, frozenset({ANYONE, TEAM, ANNA})) == rights_of("lrsi")
    assert effective(entries, frozenset()) == NO_RIGHTS


@pytest.mark.parametrize(
    ("letters", "scope"),
    [
        ("swt", EVERY_FLAG),
        ("lri", FlagScope(0, False)),
        ("s", FlagScope(SEEN, False)),
        ("t", FlagScope(DELETED, False)),
        ("w", FlagScope(ALL_FLAGS & ~SEEN & ~DELETED, True)),
        ("st", FlagScope(SEEN | DELETED, False)),
    ],
)
def test_flags_that_may_be_changed(letters: str, scope: FlagScope) -> None:
    assert flag_scope(rights_of(letters)) == scope


@given(
    st.integers(0, ALL_FLAGS), st.integers(0, ALL_FLAGS), st.sampled_from(FlagAction), st.integers(0, ALL_FLAGS),
    st.booleans(),
)  # fmt: skip
def test_a_change_stays_in_its_scope(old: int, new: int, action: FlagAction, bits: int, keywords: bool) -> None:
    scope = FlagScope(bits, keywords)
    before, change = Flags(old, ("a", "b")), Flags(new, ("b", "c"))
    after, free = apply_flags(before, action, change, scope), apply_flags(before, action, change)
    assert after.bits & ~bits == old & ~bits
    assert after.bits & bits == free.bits & bits
    assert after.keywords == (free.keywords if keywords else before.keywords)
    assert scope.of(change) == Flags(new & bits, ("b", "c") if keywords else ())


def test_answered_is_of_w() -> None:
    assert flag_scope(rights_of("w")).of(Flags(ANSWERED | SEEN, ("k",))) == Flags(ANSWERED, ("k",))
