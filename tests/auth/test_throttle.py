"""The throttle, on a clock that the test holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.auth import throttle
from opostd.auth.throttle import FORGET_S, MAX_KEYS, TRUST_S, Throttle, attempt

ANNA = attempt("anna@opost.example", "192.0.2.1")
ANNA_AT_HOME = attempt("anna@opost.example", "198.51.100.7")
BOB = attempt("bob@opost.example", "192.0.2.1")
CARA = attempt("cara@opost.example", "203.0.113.9")


def new() -> Throttle:
    return Throttle(free_failures=3, max_delay_s=15.0)


def fail(brake: Throttle, who: throttle.Attempt, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        brake.failed(who, now)


@pytest.mark.parametrize(
    ("failures", "delay_s"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 4), (6, 8), (7, 15), (8, 15), (5000, 15)]
)
def test_the_wait_grows_to_a_limit(failures: int, delay_s: float) -> None:
    brake = new()
    fail(brake, ANNA, failures)
    assert brake.delay(ANNA, 0.0) == delay_s


def test_an_address_is_slowed_for_all_names_and_a_name_at_all_addresses_but_nothing_else() -> None:
    brake = new()
    fail(brake, ANNA, 5)
    assert brake.delay(BOB, 0.0) == 4
    assert brake.delay(ANNA_AT_HOME, 0.0) == 4
    assert brake.delay(CARA, 0.0) == 0


def test_who_has_logged_in_from_an_address_is_not_slowed_there_by_others() -> None:
    brake = new()
    brake.succeeded(ANNA_AT_HOME, 0.0)
    fail(brake, ANNA, 100)  # a guesser elsewhere
    fail(brake, attempt("bob@opost.example", "198.51.100.7"), 100)  # and one behind her own NAT
    assert brake.delay(ANNA_AT_HOME, 0.0) == 0
    assert brake.delay(ANNA, 0.0) == 15


def test_trust_does_not_survive_guessing_at_the_very_pair() -> None:
    brake = new()
    brake.succeeded(ANNA, 0.0)
    fail(brake, ANNA, 3)
    assert brake.trusts(ANNA, 0.0)
    assert brake.delay(BOB, 0.0) == 0  # an old password in her telephone is not his trouble
    fail(brake, ANNA, 1)
    assert not brake.trusts(ANNA, 0.0)
    assert brake.delay(ANNA, 0.0) == 2
    brake.succeeded(ANNA, 0.0)
    assert brake.trusts(ANNA, 0.0)


def test_a_guesser_with_an_account_does_not_clear_the_address() -> None:
    brake = new()
    fail(brake, ANNA, 6)
    brake.succeeded(BOB, 0.0)
    assert brake.delay(ANNA, 0.0) == 8


def test_failures_are_forgotten() -> None:
    brake = new()
    fail(brake, ANNA, 10)
    assert brake.delay(ANNA, FORGET_S - 1) == 15
    assert brake.delay(ANNA, FORGET_S) == 0
    brake.failed(ANNA, FORGET_S)
    assert brake.delay(ANNA, FORGET_S) == 0


def test_trust_ends() -> None:
    brake = new()
    brake.succeeded(ANNA, 0.0)
    assert brake.trusts(ANNA, TRUST_S - 1)
    assert not brake.trusts(ANNA, TRUST_S)


def test_memory_is_bounded_whatever_is_tried() -> None:
    brake = new()
    for number in range(MAX_KEYS + 50):
        who = attempt(f"u{number}" + "x" * 900, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        brake.failed(who, 0.0)
        brake.succeeded(who, 0.0)
        brake.failed(who, 0.0)
    assert len(brake) <= 4 * MAX_KEYS


NETS = [
    ("192.0.2.1", "192.0.2.1", True),
    ("192.0.2.1", "192.0.2.2", False),
    ("::ffff:192.0.2.1", "192.0.2.1", True),
    ("2001:db8::1", "2001:db8::ffff:1", True),
    ("2001:db8::1", "2001:db8:0:1::1", False),
    ("fe80::1%eth0", "fe80::2%eth1", True),
    ("local", "local", True),
    ("local", "", False),
]


@pytest.mark.parametrize(("one", "other", "same"), NETS)
def test_addresses_that_count_as_one(one: str, other: str, same: bool) -> None:
    assert (attempt("a", one) == attempt("a", other)) is same


def test_names_and_addresses_are_not_mixed_up() -> None:
    assert len({*vars_of(attempt("a", "b")), *vars_of(attempt("b", "a"))}) == 6


def vars_of(who: throttle.Attempt) -> tuple[bytes, bytes, bytes]:
    return who.name, who.net, who.pair


EVENTS = st.lists(st.tuples(st.sampled_from([ANNA, ANNA_AT_HOME, BOB]), st.booleans(), st.floats(0, 2000)), max_size=60)


@given(EVENTS)
def test_the_wait_is_never_over_the_limit_and_nobody_else_waits(
    events: list[tuple[throttle.Attempt, bool, float]],
) -> None:
    brake, now = new(), 0.0
    for who, right, passed in events:
        now += passed
        (brake.succeeded if right else brake.failed)(who, now)
        assert 0 <= brake.delay(who, now) <= 15
        assert not right or brake.delay(who, now) == 0
        assert brake.delay(CARA, now) == 0


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_has_keys(name: str, peer: str) -> None:
    assert attempt(name, peer) == attempt(name, peer)
