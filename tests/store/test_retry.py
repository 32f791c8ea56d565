"""What errors mean (distributed.md 4, rule 6), and until when a function runs again."""

import sqlite3

import psycopg
import pytest
import sqlalchemy as sa

from opostd.model.errors import DiskFull, NoSuchBox, Unavailable
from opostd.store.retry import LONGEST_PAUSE_S, Attempts, NotReplicated, Verdict, judge

AGAIN, RECONNECT, FULL, BUG = Verdict(again=True), Verdict(again=True, reconnect=True), Verdict(full=True), Verdict()


def postgres(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)("told so")


def sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("told so")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (postgres("40001"), AGAIN),
        (postgres("40P01"), AGAIN),
        (postgres("55P03"), AGAIN),
        (postgres("57P01"), RECONNECT),
        (postgres("57P02"), RECONNECT),
        (postgres("57P03"), RECONNECT),
        (postgres("08006"), RECONNECT),
        (postgres("08P01"), RECONNECT),
        (postgres("25006"), RECONNECT),
        (postgres("53300"), RECONNECT),
        (psycopg.OperationalError("server closed the connection unexpectedly"), RECONNECT),
        (psycopg.InterfaceError("the connection is closed"), RECONNECT),
        (postgres("53100"), FULL),
        (postgres("23505"), BUG),  # of another key than delivered_post's
        (postgres("23502"), BUG),
        (postgres("42P01"), BUG),
        (psycopg.ProgrammingError("wrong use"), BUG),
        (sqlite(sqlite3.SQLITE_BUSY), AGAIN),
        (sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), AGAIN),
        (sqlite(sqlite3.SQLITE_LOCKED), AGAIN),
        (sqlite(sqlite3.SQLITE_FULL), FULL),
        (sqlite(sqlite3.SQLITE_IOERR_WRITE), RECONNECT),
        (sqlite(sqlite3.SQLITE_CANTOPEN), RECONNECT),
        (sqlite(sqlite3.SQLITE_CORRUPT), BUG),
        (sqlite(sqlite3.SQLITE_CONSTRAINT), BUG),
        (NoSuchBox("no such mailbox"), BUG),
        (ValueError("ours"), BUG),
    ],
    ids=lambda value: value.__class__.__name__,
)  # fmt: skip
def test_judge(error: Exception, verdict: Verdict) -> None:
    assert judge(error) == verdict
    if not isinstance(error, NoSuchBox | ValueError):
        assert judge(sa.exc.OperationalError("SELECT 1", {}, error)) == verdict


def test_invalidated_connection_is_replaced() -> None:
    error = sa.exc.OperationalError("SELECT 1", {}, postgres("42P01"), connection_invalidated=True)
    assert judge(error) == RECONNECT


def test_what_is_no_fault_comes_through() -> None:
    error = NoSuchBox("no such mailbox")
    with pytest.raises(NoSuchBox) as raised:
        Attempts(10).pause_after(error)
    assert raised.value is error


def test_disk_full_is_said_at_once() -> None:
    with pytest.raises(DiskFull):
        Attempts(10).pause_after(sqlite(sqlite3.SQLITE_FULL))


def test_not_replicated_is_never_run_again() -> None:
    with pytest.raises(Unavailable):
        Attempts(10).pause_after(NotReplicated("canceling wait for synchronous replication due to user request"))


def test_pauses_grow_and_end() -> None:
    attempts = Attempts(1000)
    pauses = [attempts.pause_after(postgres("40001")) for _ in range(12)]
    assert pauses[0] <= 0.01
    assert all(pause <= LONGEST_PAUSE_S for pause in pauses)
    assert max(pauses[-3:]) >= LONGEST_PAUSE_S / 2
    with pytest.raises(Unavailable, match="told so"):
        Attempts(0).pause_after(postgres("40001"))
