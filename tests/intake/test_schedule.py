"""When something is tried again (RFC 5321 4.5.4.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import QueueSettings
from opostd.intake.schedule import Schedule

ONE = Schedule(tries=4, first_pause_s=10, longest_pause_s=35, warn_after_s=60)
DAY_S = 24 * 3600


@pytest.mark.parametrize(
    ("attempts", "chance", "wanted"),
    [(1, 0, 10), (1, 1, 12.5), (2, 0, 20), (3, 0, 35), (3, 1, 43.75), (10**9, 0, 35)],
)
def test_pause(attempts: int, chance: float, wanted: float) -> None:
    assert ONE.pause_s(attempts, chance) == wanted


def test_the_last_try_is_the_last() -> None:
    assert [ONE.next_at(each, 1000, 0) for each in (1, 2, 3, 4, 5)] == [1011, 1021, 1036, None, None]
    assert ONE.ends_at(1, 0) == 73
    assert ONE.ends_at(4, 0) == 0


@given(st.integers(1, 100), st.floats(0, 1))
def test_pauses_only_grow_but_for_chance(attempts: int, chance: float) -> None:
    assert ONE.pause_s(attempts, 0) <= ONE.pause_s(attempts, chance) <= ONE.pause_s(attempts + 1, 1)


def test_the_defaults_go_on_for_four_days_and_end_within_a_week() -> None:
    """RFC 5321 4.5.4.1: the give-up time generally needs to be at least 4-5 days."""
    settings = QueueSettings()
    for tries, first_s in ((settings.tries, settings.first_pause_s), (settings.local_tries, 1.0)):
        schedule = Schedule(tries, first_s, settings.longest_pause_s, settings.warn_after_s)
        for chance in (0.0, 1.0):
            whole = sum(schedule.pause_s(each, chance) for each in range(1, tries))
            assert 4 * DAY_S <= whole <= 7 * DAY_S
