"""Who may pass and who comes again: the clock is an argument, and two processes are two stores."""

import threading

import pytest

from opostd.store import greylist, schema
from opostd.store.greylist import Times, client_key, first_key, known_until, wait_s
from opostd.store.run import Group, Store, Tx, reads

NOW = 1_700_000_000
TIMES = Times(pause_s=300, window_s=3600, known_s=86_400)
NET = "192.0.2.0/24"
CLIENT = client_key(NET)


@reads(Group.POST)
def rows(tx: Tx) -> int:
    return len(tx.execute(schema.greylist.select()).all())


def ask(store: Store, now: int, *, sender: str = "x@other.example", to: str = "anna@opost.example") -> int:
    return store.run_sync(wait_s, CLIENT, first_key(NET, sender, to), TIMES, now)


def test_a_second_try_after_the_pause_passes_and_its_network_is_known(store: Store) -> None:
    assert ask(store, NOW) == 300
    assert ask(store, NOW + 100) == 200
    assert ask(store, NOW + 150, to="bob@opost.example") == 300
    assert ask(store, NOW + 300) == 0
    assert store.run_sync(known_until, CLIENT) == NOW + 300 + 86_400
    assert ask(store, NOW + 301, sender="y@other.example") == 0
    assert store.run_sync(known_until, client_key("198.51.100.0/24")) == 0


def test_who_comes_too_late_begins_again_and_so_does_who_is_forgotten(store: Store) -> None:
    assert ask(store, NOW) == 300
    assert ask(store, NOW + 3600) == 300
    assert ask(store, NOW + 3900) == 0
    assert ask(store, NOW + 3900 + 86_399) == 0  # which makes it known for a day more
    assert ask(store, NOW + 3900 + 2 * 86_399) == 0
    assert ask(store, NOW + 3900 + 3 * 86_400) == 300


def test_a_clock_that_goes_back_keeps_nobody_out_for_longer_than_the_pause(store: Store) -> None:
    assert ask(store, NOW) == 300
    assert ask(store, NOW - 10_000) == 300
    assert ask(store, NOW + 300) == 0


def test_what_has_ended_is_removed_by_what_comes(store: Store) -> None:
    for number in range(5):
        ask(store, NOW, sender=f"{number}@other.example")
    assert store.run_sync(rows) == 5
    ask(store, NOW + 3600, sender="late@other.example")
    assert store.run_sync(rows) == 1


def test_there_are_so_many_places_and_the_later_one_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greylist, "PLACES", 1)
    for number in range(5):
        assert ask(store, NOW, sender=f"{number}@other.example") == 300
    assert store.run_sync(rows) == 1
    assert ask(store, NOW + 300, sender="0@other.example") == 300
    assert ask(store, NOW + 600, sender="0@other.example") == 0


def test_two_at_once_agree(store: Store) -> None:
    """The same first try in several connections: all are told to come again, and one row is left."""
    found: list[int] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        found.append(ask(store, NOW))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [300] * 4
    assert store.run_sync(rows) == 1
