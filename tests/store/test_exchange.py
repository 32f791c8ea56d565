"""Statements that go to PostgreSQL together: order, errors, large ones both ways, and what a parameter becomes."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from opostd.config import StoreSettings
from opostd.store import schema
from opostd.store.dialect import insert_new
from opostd.store.ready import PLANNED_ANEW, dumped, exchange_of
from opostd.store.run import Group, Store, Tx, reads, writes
from opostd.store.types import PostIdType
from tests.support import postgres

ADD = sa.insert(schema.lsub).values(owner_id=sa.bindparam("owner"), name=sa.bindparam("name"))
NAMES = (
    sa.select(schema.lsub.c.name).where(schema.lsub.c.owner_id == sa.bindparam("owner")).order_by(schema.lsub.c.name)
)
WORDS = sa.text("SELECT :word || ' ' || CAST(:count AS integer), 10 % 3, CAST(:none AS text) IS NULL")
ECHO = sa.text("SELECT octet_length(:octets), repeat('x', CAST(:back AS integer))").bindparams(
    sa.bindparam("octets", type_=sa.LargeBinary)
)
POSTS = (
    sa.text("SELECT uuid_send(id) FROM unnest(CAST(:ids AS uuid[])) AS row (id)")
    .bindparams(sa.bindparam("ids", type_=postgresql.ARRAY(PostIdType())))
    .execution_options(**{PLANNED_ANEW: True})
)
BACKEND = sa.text("SELECT pg_backend_pid()")
LISTS = sa.text(
    "SELECT * FROM unnest(CAST(:texts AS text[]), CAST(:octets AS bytea[]), CAST(:numbers AS bigint[]),"
    " CAST(:words AS boolean[])) AS row"
)


@pytest.fixture
def store(postgres_settings: StoreSettings) -> Iterator[Store]:
    store = Store(StoreSettings(url=postgres_settings.url, pool_size=2, retry_deadline_s=2))  # one that writes
    yield store
    store.close_sync()


def trips(tx: Tx) -> int:
    exchange = exchange_of(tx._connection)
    assert exchange is not None
    return exchange.trips


@writes(Group.OWNER)
def add(tx: Tx, *names: str, ask: bool = False) -> list[str]:
    tx.later(ADD, *[{"owner": 1, "name": name} for name in names])
    return [row[0] for row in tx.rows(NAMES, {"owner": 1})] if ask else []


@writes(Group.OWNER)
def told(tx: Tx) -> tuple[int, int]:
    return trips(tx), tx.rows(BACKEND, {})[0][0]


@reads(Group.OWNER)
def names(tx: Tx) -> list[str]:
    return [row[0] for row in tx.rows(NAMES, {"owner": 1})]


def test_they_go_together_and_in_order(store: Store) -> None:
    """BEGIN, what waits, and the first that is asked are one way; COMMIT with what waits is the other."""
    for name in "abc":  # each statement goes through SQLAlchemy first
        store.run_sync(add, name, ask=True)
    before, _ = store.run_sync(told)
    assert store.run_sync(add, "d", "e", "f", ask=True) == ["a", "b", "c", "d", "e", "f"]
    store.run_sync(add, "g", "h")
    after, _ = store.run_sync(told)
    # told: its own COMMIT; add: 2; add without a question: 1; told is asked before it goes
    assert after - before == 2 + 2 + 1
    assert store.run_sync(names) == list("abcdefgh")


def test_an_error_of_what_waits_is_raised_and_leaves_nothing(store: Store) -> None:
    for name in "abc":
        store.run_sync(add, name, ask=True)
    _, backend = store.run_sync(told)
    for ask in (True, False):
        with pytest.raises(psycopg.errors.UniqueViolation):
            store.run_sync(add, "d", "a", "e", ask=ask)
        assert store.run_sync(names) == ["a", "b", "c"]
    assert store.run_sync(told)[1] == backend  # the connection is whole


@writes(Group.OWNER)
def hidden(tx: Tx) -> None:
    tx.later(ADD, {"owner": 1, "name": "kept"})
    try:
        tx.rows(sa.text("SELECT 1 / 0"), {})
    except sa.exc.DataError:
        pass


def test_a_commit_that_rolls_back_is_no_success(store: Store) -> None:
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        store.run_sync(hidden)
    assert store.run_sync(names) == []


@writes(Group.OWNER)
def nothing(tx: Tx) -> None:
    tx.later(ADD, {"owner": 1, "name": "not kept"})
    tx.nothing_changed()


def test_what_waits_may_be_taken_back(store: Store) -> None:
    store.run_sync(add, "a", ask=True)
    for _ in range(3):
        store.run_sync(nothing)
    assert store.run_sync(names) == ["a"]


@writes(Group.OWNER)
def echo(tx: Tx, octets: int, times: int) -> list[tuple[int, int]]:
    given = {"octets": b"o" * octets, "back": octets}
    tx.rows(ECHO, given)
    for _ in range(times):
        tx.later(ECHO, given)
    return [(size, len(text)) for size, text in tx.rows(ECHO, given)]


def test_much_goes_both_ways_at_once(store: Store) -> None:
    """Neither side stops reading while it writes: several MB each way, more than all buffers between them."""
    size = 3_000_000
    for _ in range(2):
        assert store.run_sync(echo, size, 4) == [(size, size)]


@reads(Group.OWNER)
def words(tx: Tx, word: str) -> list[tuple[Any, ...]]:
    return tx.rows(WORDS, {"word": word, "count": 7, "none": None})


def test_text_with_nul_is_refused_and_not_cut_off(store: Store) -> None:
    assert [store.run_sync(words, "a") for _ in range(3)] == [[("a 7", 1, True)]] * 3
    with pytest.raises(psycopg.DataError):
        store.run_sync(words, "a\0b")
    assert store.run_sync(words, "ä") == [("ä 7", 1, True)]


@writes(Group.OWNER)
def deallocate(tx: Tx) -> None:
    tx.execute(sa.text("DEALLOCATE ALL"))


@writes(Group.OWNER)
def backend_of_a_writer(tx: Tx) -> int:
    found: int = tx.execute(BACKEND).scalar_one()
    return found


def test_it_heals(store: Store, postgres_server: postgres.Server) -> None:
    """Prepared statements that somebody has deallocated, and a connection that was cut, are made anew."""
    for name in "abc":
        store.run_sync(add, name, ask=True)
    store.run_sync(deallocate)
    assert store.run_sync(add, "d", ask=True) == list("abcd")
    with postgres_server.connect() as outside:
        outside.execute("SELECT pg_terminate_backend(%s)", (store.run_sync(backend_of_a_writer),))
    assert store.run_sync(add, "e", ask=True) == list("abcde")


@writes(Group.OWNER)
def several(tx: Tx) -> list[list[tuple[Any, ...]]]:
    tx.later(ADD, {"owner": 1, "name": "b"})
    assert tx.rows_of() == []
    return tx.rows_of((NAMES, {"owner": 1}), (WORDS, {"word": "w", "count": 1, "none": None}), (NAMES, {"owner": 2}))


def test_several_answers(store: Store) -> None:
    """Each its own, whether its statement is known to the connection or not."""
    store.run_sync(add, "a", ask=True)
    for _ in range(3):
        assert store.run_sync(several) == [[("a",), ("b",)], [("w 1", 1, True)], []]
        store.run_sync(forget, "b")


@writes(Group.OWNER)
def forget(tx: Tx, name: str) -> None:
    tx.execute(sa.delete(schema.lsub).where(schema.lsub.c.owner_id == 1, schema.lsub.c.name == name))


@reads(Group.OWNER)
def lists(tx: Tx, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    return tx.rows(LISTS, given)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
ROWS = st.lists(st.tuples(TEXT | st.none(), st.binary(max_size=9), st.integers(-(2**63), 2**63 - 1), st.booleans()))


@given(ROWS.filter(bool))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lists_come_back_as_they_were(store: Store, rows: list[tuple[Any, ...]]) -> None:
    given = dict(zip(("texts", "octets", "numbers", "words"), map(list, zip(*rows, strict=True)), strict=True))
    for _ in range(2):
        assert store.run_sync(lists, given) == rows


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (None, (None, 0)),
        (True, (b"t", 0)),
        (-5, (b"-5", 0)),
        ("ä", ("ä".encode(), 0)),
        (b"\0\xff", (b"\0\xff", 1)),
        (bytearray(b"a"), (b"a", 1)),
        ([], (b"{}", 0)),
        ([1, None, False], (b"{1,NULL,f}", 0)),
        (['a"b\\c', ""], (b'{"a\\"b\\\\c",""}', 0)),
    ],
)
def test_parameters(value: object, octets: tuple[bytes | None, int]) -> None:
    assert dumped(value) == octets


@pytest.mark.parametrize("value", [1.5, [1.5], {"a": 1}])
def test_what_is_no_parameter(value: object) -> None:
    with pytest.raises(TypeError):
        dumped(value)


@writes(Group.OWNER)
def many(tx: Tx, rows: list[dict[str, object]]) -> int:
    insert_new(tx, schema.lsub, rows)
    return trips(tx)


def test_rows_are_one_statement(store: Store) -> None:
    """Whatever their number; one that is there stays, in the same list too."""
    rows = [{"owner_id": 1, "name": name} for name in ("a", "b", "a", 'q"\\{,}', "NULL", "", " ")]
    for _ in range(3):
        store.run_sync(many, rows)
    before = store.run_sync(many, rows)
    assert store.run_sync(many, [*rows, {"owner_id": 1, "name": "z"}]) == before + 1  # the COMMIT between them
    assert sorted(store.run_sync(names)) == sorted(["a", "b", 'q"\\{,}', "NULL", "", " ", "z"])


@reads(Group.OWNER)
def posts_given(tx: Tx, ids: list[bytes]) -> list[bytes]:
    return [row[0] for row in tx.rows(POSTS, {"ids": ids})]


def test_lists_of_posts_come_as_they_are(store: Store) -> None:
    """The first time by SQLAlchemy, then as PostgreSQL's own octets; planned anew or not."""
    ids = [bytes(range(n, n + 16)) for n in (0, 100, 240)]
    for _ in range(3):
        for wanted in (ids, ids[:1], []):
            assert store.run_sync(posts_given, wanted) == wanted
