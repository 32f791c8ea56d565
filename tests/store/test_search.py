"""Which posts hold a text: exact with the index up to date, behind, or unable to tell."""

import concurrent.futures
import random
import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from opostd.config import StoreSettings
from opostd.model.ids import PostId
from opostd.model.new_ids import new_post_id
from opostd.model.records import NewPost, Sought
from opostd.store import posts, reap, schema, search, search_index
from opostd.store.run import Group, Store, Tx, reads, writes
from opostd.store.search import Needle, Where
from opostd.store.types import PostIdType
from tests.store.world import NOW, new_post
from tests.support.mail import mailing


def keep(store: Store, head: str, text: str) -> PostId:
    post = new_post()
    store.run_sync(posts.accept, [mailing(NewPost(post.facts, b"raw", text, Sought(head=head)))], NOW)
    return post.facts.id


def index(store: Store) -> None:
    for _ in range(1000):
        looked_at, rowless = store.run_sync(search_index.index_some)
        assert rowless == []
        if not looked_at:
            return
    raise AssertionError("the index is never done")


def found(store: Store, ids: list[PostId], needle: Needle) -> set[PostId]:
    """As SEARCH does it: the index narrows, each post is looked into."""
    narrowed = store.run_sync(search.may_hold, ids, needle)
    held, rowless = store.run_sync(search.matching, ids if narrowed is None else narrowed, needle)
    assert rowless == []
    assert held == store.run_sync(search.matching, ids, needle)[0]  # with or without the index
    return held


HEAD = "\nSUBJECT: 100% A_B\nFROM: ANNA <A@B.EXAMPLE>\nX-EMPTY: \nSUBJECT: SECOND"
TEXT = 'DIE GRÖßE:\n\'; DROP TABLE post -- "QUOTED" \\ % _ ЖЖЖ 会議室で'
NEEDLES = [
    (Needle("GRÖßE", Where.BODY), True),
    (Needle("GRÖ", Where.BODY), True),
    (Needle("Ö", Where.BODY), True),
    (Needle("G%E", Where.BODY), False),
    (Needle("G__ß", Where.BODY), False),
    (Needle("% _", Where.BODY), True),
    (Needle("'; DROP", Where.BODY), True),
    (Needle('"QUOTED"', Where.BODY), True),
    (Needle('" OR "QUOTED', Where.BODY), False),
    (Needle('-- "QUOTED" \\ %', Where.BODY), True),
    (Needle("ЖЖЖ", Where.BODY), True),
    (Needle("会議室", Where.BODY), True),
    (Needle("会議", Where.BODY), True),
    (Needle("die", Where.BODY), False),  # both sides are compared as they are
    (Needle("ANNA", Where.BODY), False),
    (Needle("ANNA", Where.TEXT), True),
    (Needle("DROP", Where.TEXT), True),
    (Needle("SECOND\n\nDIE", Where.TEXT), False),
    (Needle("\0", Where.TEXT), False),
    (Needle("\ud800\ud800\ud800", Where.TEXT), False),
    (Needle("ANNA", Where.HEADER, "FROM"), True),
    (Needle("ANNA", Where.HEADER, "SUBJECT"), False),
    (Needle("100% A_B", Where.HEADER, "SUBJECT"), True),
    (Needle("SECOND", Where.HEADER, "SUBJECT"), True),
    (Needle("A", Where.HEADER, "FROM"), True),
    (Needle("FROM", Where.HEADER, "FROM"), False),
    (Needle("100%", Where.HEADER, "UBJECT"), False),
    (Needle("A_B\nFROM", Where.HEADER, "SUBJECT"), False),
    (Needle("", Where.HEADER, "X-EMPTY"), True),
    (Needle("", Where.HEADER, "X-EMPT"), False),
    (Needle("", Where.HEADER, "BCC"), False),
    (Needle("DROP", Where.HEADER, "SUBJECT"), False),
]


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not yet"])
def test_needles(store: Store, indexed: bool) -> None:
    one, other = keep(store, HEAD, TEXT), keep(store, "\nTO: NOBODY", "NOTHING")
    if indexed:
        index(store)
    for needle, there in NEEDLES:
        assert found(store, [one, other], needle) == ({one} if there else set()), needle


def test_only_of_the_ids_asked_for(store: Store) -> None:
    ids = [keep(store, "", "SAME WORD") for _ in range(3)]
    index(store)
    assert found(store, ids[:1], Needle("SAME", Where.BODY)) == {ids[0]}
    assert store.run_sync(search.may_hold, ids[1:], Needle("SAME", Where.BODY)) == ids[1:]


ALPHABET = "AB%_\"' ÄЖ\n"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(ALPHABET, max_size=30), min_size=1, max_size=6),
    needles=st.lists(st.text(ALPHABET, min_size=1, max_size=6), min_size=4, max_size=4),
    some=st.booleans(),
)
def test_against_the_naive_way(store: Store, texts: list[str], needles: list[str], some: bool) -> None:
    ids = {keep(store, "", text): text for text in texts}
    if some:
        index(store)
    for needle in needles:
        expected = {id_ for id_, text in ids.items() if needle in text}
        assert found(store, list(ids), Needle(needle, Where.BODY)) == expected


def test_a_long_text_is_found_at_every_place(store: Store) -> None:
    """Across the borders of its documents too, whatever the length of what is looked for."""
    chance = random.Random(3)
    text = "".join(chance.choices("ABCDEFGH ", k=5 * search_index.PIECE + 777))
    id_ = keep(store, "\nSUBJECT: LONG", text)
    index(store)
    others = [keep(store, "", "OTHER") for _ in range(2)]
    index(store)
    for number in range(6):
        for shift in (-70, -64, -63, -10, -1, 0, 1, 64):
            at = max(0, min(number * search_index.PIECE + shift, len(text) - 10))
            for length in (3, 10, 63, 64, 65, 200, 40_000):
                needle = Needle(text[at : at + length], Where.BODY)
                assert store.run_sync(search.may_hold, [id_, *others], needle) == [id_]
    assert found(store, [id_], Needle(text[-20:], Where.BODY)) == {id_}


def test_what_is_gone_is_not_in_the_index(store: Store) -> None:
    text = "ZEPPELIN " * 10_000
    gone, half, stays = keep(store, "\nA: B", text), keep(store, "", text), keep(store, "", text)
    store.run_sync(search_index.index_some)  # not all of it
    ids = [gone, half, stays]
    store.run_sync(reap.note, ids, [], NOW)
    assert set(store.run_sync(reap.remove, [gone], NOW + 1)) == {gone}
    index(store)
    assert set(store.run_sync(reap.remove, [half], NOW + 1)) == {half}
    assert found(store, [stays], Needle("ZEPPELIN", Where.BODY)) == {stays}
    assert store.run_sync(hits, "ZEPPELIN") in (None, {stays})


@reads(Group.POST)
def hits(tx: Tx, needle: str) -> set[bytes] | None:
    return search_index.holding(tx, needle, head=True, text=True)


def test_too_many_to_tell(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "MAX_HITS", 2)
    ids = [keep(store, "", "COMMON") for _ in range(3)]
    index(store)
    assert store.run_sync(hits, "COMMON") is None
    assert found(store, ids, Needle("COMMON", Where.BODY)) == set(ids)


def test_no_index(store: Store) -> None:
    """Where the database cannot have it, everything is found all the same."""
    store.run_sync(drop)
    ids = [keep(store, HEAD, TEXT), keep(store, "", "OTHER")]
    index(store)
    assert found(store, ids, Needle("GRÖßE", Where.TEXT)) == {ids[0]}
    store.run_sync(reap.note, ids, [], NOW)
    assert set(store.run_sync(reap.remove, ids, NOW + 1)) == set(ids)


@writes(Group.POST)
def drop(tx: Tx) -> None:
    if tx.dialect == "sqlite":
        for table in ("search_head", "search_text", "search_doc"):
            tx.execute(sa.text(f"DROP TABLE {table}"))
    else:
        tx.execute(sa.text("DROP EXTENSION pg_trgm CASCADE"))


def test_the_index_is_made(store: Store) -> None:
    """On this machine both databases can have it."""
    assert store.run_sync(made)


@reads(Group.POST)
def made(tx: Tx) -> bool:
    if tx.dialect == "sqlite":
        return search_index._by_us(tx)
    return tx.execute(sa.text("SELECT 1 FROM pg_indexes WHERE indexname = 'post_search_trigrams'")).first() is not None


def test_posts_without_a_row_are_told(store: Store) -> None:
    id_ = keep(store, "", "WORD")
    nobody = new_post_id()
    assert store.run_sync(search.matching, [id_, nobody], Needle("WORD", Where.BODY)) == ({id_}, [nobody])
    store.run_sync(note, nobody)
    assert store.run_sync(search_index.index_some) == (2 if store.run_sync(by_us) else 1, [nobody])
    store.run_sync(search_index.complete, [(nobody, Sought(), "WORD TOO")])
    index(store)
    assert found(store, [id_, nobody], Needle("WORD", Where.BODY)) == {id_, nobody}


@writes(Group.POST)
def note(tx: Tx, id_: PostId) -> None:
    tx.execute(sa.insert(search_index._todo).values(id=id_))


@reads(Group.POST)
def by_us(tx: Tx) -> bool:
    return search_index._by_us(tx)


def test_two_processes_index_at_once(store: Store) -> None:
    """What one of them has taken, the other leaves."""
    ids = [keep(store, "", f"WORD {number} " * 200) for number in range(60)]
    url = str(store._settings.url)
    program = (
        "from opostd.config import StoreSettings\nfrom opostd.store.run import Store\n"
        f"from opostd.store import search_index\nstore = Store(StoreSettings(url={url!r}))\n"
        "while store.run_sync(search_index.index_some)[0]: pass\nstore.close_sync()\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [other.wait(60) for other in others] == [0, 0]
    index(store)
    assert found(store, ids, Needle("WORD 7 ", Where.BODY)) == {ids[7]}
    assert store.run_sync(doubles) == []


@reads(Group.POST)
def doubles(tx: Tx) -> list[bytes]:
    if tx.dialect != "sqlite":
        return []
    return list(tx.execute(sa.text("SELECT id FROM search_doc GROUP BY id HAVING count(*) > 2")).scalars())


def where_rows_are(store: Store) -> tuple[int, int]:
    """In post_search, and where they come first on PostgreSQL."""
    engine = sa.create_engine(store._settings.url, execution_options={"outside": True})
    with engine.connect() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (schema.post_search, schema.search_new)
        ]
    engine.dispose()
    return counts[0], counts[1]


def test_rows_are_moved_to_the_index_behind_the_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL: what is accepted costs nothing of the index, and is found before, between and after."""
    monkeypatch.setattr(search_index, "MOVED", 4)
    ids = [keep(store, f"\nSUBJECT: {number}", f"WORD {number:02}") for number in range(10)]
    if store._databases[Group.POST].is_sqlite:
        assert where_rows_are(store) == (10, 0)
        return
    for there in (0, 4, 8, 10, 10):
        assert where_rows_are(store) == (there, 10 - there)
        assert found(store, ids, Needle("WORD 07", Where.BODY)) == {ids[7]}
        assert found(store, ids, Needle("3", Where.HEADER, "SUBJECT")) == {ids[3]}
        assert set(store.run_sync(search.sought, ids)) == set(ids)
        store.run_sync(search_index.index_some)
    posts_again = mailing(NewPost(new_post().facts, b"raw", "OTHER", Sought()))
    store.run_sync(posts.accept, [posts_again], NOW)
    store.run_sync(posts.accept, [posts_again], NOW)
    index(store)
    store.run_sync(posts.accept, [posts_again], NOW)  # an accept that runs again, late
    assert where_rows_are(store) == (11, 1)
    assert found(store, [posts_again.post.facts.id], Needle("OTHER", Where.BODY)) == {posts_again.post.facts.id}
    index(store)
    assert where_rows_are(store) == (11, 0)


def test_long_texts_are_moved_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "MOVED_OCTETS", 25_000)
    if store._databases[Group.POST].is_sqlite:
        return
    for _ in range(5):
        keep(store, "", "LONG " * 2000)
    for there in (3, 5):
        store.run_sync(search_index.index_some)
        assert where_rows_are(store) == (there, 5 - there)


def test_what_is_taken_out_meanwhile_does_not_come_back(store: Store) -> None:
    """PostgreSQL: a post that is reaped while it is moved."""
    if store._databases[Group.POST].is_sqlite:
        return
    id_, other = keep(store, "", "WORD"), keep(store, "", "WORD")
    deleted, go_on = threading.Event(), threading.Event()

    @writes(Group.POST)
    def forget(tx: Tx) -> None:
        search_index.forget(tx, [id_])
        deleted.set()
        assert go_on.wait(60)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        forgetting = threads.submit(store.run_sync, forget)
        assert deleted.wait(60)
        moving = threads.submit(store.run_sync, search_index.index_some)
        assert not concurrent.futures.wait([moving], 0.3).done  # for the row that is being deleted
        go_on.set()
        forgetting.result(60)
        moving.result(60)
    index(store)
    assert where_rows_are(store) == (1, 0)
    assert found_in(store, [id_, other]) == {other}


def found_in(store: Store, ids: list[PostId]) -> set[PostId]:
    return store.run_sync(search.matching, ids, Needle("WORD", Where.BODY))[0]


def test_nothing_is_missed_while_rows_are_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "MOVED", 3)
    ids = [keep(store, "", f"WORD {number:03}") for number in range(120)]
    needle = Needle("WORD", Where.BODY)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        indexing = thread.submit(index, store)
        looks = 0
        while not indexing.done() or not looks:
            assert store.run_sync(search.matching, ids, needle) == (set(ids), [])
            assert store.run_sync(search.may_hold, ids, needle) == ids
            looks += 1
        indexing.result()


@reads(Group.POST)
def plan_of(tx: Tx, ids: list[PostId], pattern: str) -> str:
    statement = search._POSTGRES_MAY_HOLD[Where.HEADER]
    explain = sa.text(f"EXPLAIN {statement}").bindparams(sa.bindparam("ids", type_=postgresql.ARRAY(PostIdType())))
    return "\n".join(row[0] for row in tx.execute(explain, {"ids": ids, "pattern": pattern}))


def test_the_index_is_used_for_a_box_that_is_all_there_is(new_postgres_settings: StoreSettings) -> None:
    """Each run is planned for its own needle and its own ids."""
    store = Store(new_postgres_settings)
    engine = sa.create_engine(
        new_postgres_settings.url, execution_options={"outside": True}, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql("""
            INSERT INTO post_search (id, reply, subject, sender, "to", cc, sender_display, to_display, "references",
                head, text)
            SELECT gen_random_uuid(), false, '', '', '', '', '', '', '',
                'SUBJECT: ' || n || repeat(' RECEIVED: FROM SOMEWHERE', 50), '' FROM generate_series(1, 3000) AS n""")
        connection.exec_driver_sql("VACUUM ANALYZE post_search")
        ids = [row[0].bytes for row in connection.exec_driver_sql("SELECT id FROM post_search")]
    engine.dispose()
    assert len(store.run_sync(search.may_hold, ids, Needle("SUBJECT: 2999 ", Where.HEADER, "SUBJECT")) or ()) == 1
    assert "post_search_trigrams" in store.run_sync(plan_of, ids, "%SUBJECT: 2999 %")
    assert "post_search_pkey" in store.run_sync(plan_of, ids[:5], "%RECEIVED%")  # and not for its own sake
    store.close_sync()
