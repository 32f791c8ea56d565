"""THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 3), shown as the answer shows them."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.sort import format_thread
from opostd.imap.state.threads import Threaded, by_references, by_subject
from opostd.imap.values.responses import ThreadData


def shown(threads: object) -> str:
    assert isinstance(threads, tuple)
    return format_thread(ThreadData(threads)).decode()[len("* THREAD") :].strip()


def message(number: int, id_: str = "", references: str = "", subject: str = "", sent: int | None = None) -> Threaded:
    """subject with ``Re:`` in front is a reply's."""
    base = subject.removeprefix("Re:")
    return Threaded(number, number if sent is None else sent, base, base != subject, id_, tuple(references.split()))


SUBJECTS = [
    ([], ""),
    ([message(1, subject="A")], "(1)"),
    ([message(1, subject="A"), message(2, subject="B"), message(3, subject="A")], "(1 3)(2)"),
    ([message(1, subject="A"), message(2, subject="A"), message(3, subject="Re:A")], "(1 (2)(3))"),
    ([message(1, subject="A", sent=9), message(2, subject="B", sent=8), message(3, subject="A", sent=7)], "(3 1)(2)"),
    ([message(1), message(2)], "(1 2)"),  # the empty subject is one too
    ([message(2, subject="A", sent=5), message(1, subject="A", sent=5)], "(1 2)"),  # then by number
]


@pytest.mark.parametrize(("messages", "threads"), SUBJECTS)
def test_ordered_subject(messages: list[Threaded], threads: str) -> None:
    assert shown(by_subject(messages)) == threads


REFERENCES = [
    ([], ""),
    ([message(1), message(2)], "(1)(2)"),
    ([message(1, "a"), message(2, "b", "a"), message(3, "c", "a b")], "(1 2 3)"),
    ([message(1, "a"), message(2, "b", "a"), message(3, "c", "a")], "(1 (2)(3))"),
    # replies before what they answer, and siblings by date
    ([message(1, "c", "a b"), message(2, "b", "a"), message(3, "a")], "(3 2 1)"),
    ([message(1, "a"), message(2, "b", "a", sent=9), message(3, "c", "a", sent=8)], "(1 (3)(2))"),
    # what is not there: one reply takes its place, several are siblings
    ([message(1, "b", "a")], "(1)"),
    ([message(1, "b", "a"), message(2, "c", "a")], "((1)(2))"),
    ([message(1, "a"), message(2, "c", "a b"), message(3, "d", "a b")], "(1 (2)(3))"),
    ([message(1, "c", "x y"), message(2, "d", "x z")], "((1)(2))"),
    # a truncated References does not part what is linked, but the own last reference wins
    ([message(1, "a"), message(2, "b", "a"), message(3, "c", "b"), message(4, "d", "a c")], "(1 2 3 4)"),
    ([message(1, "b", "a"), message(2, "c", "b"), message(3, "b2", "c b")], "(1 (2)(3))"),
    # loops are not made
    ([message(1, "a", "b"), message(2, "b", "a")], "(2 1)"),
    ([message(1, "a", "a")], "(1)"),
    ([message(1, "a", "b c a b")], "(1)"),
    # of two with one id the first has it
    ([message(1, "a"), message(2, "a"), message(3, "b", "a")], "(1 3)(2)"),
    # ids tell upper from lower case
    ([message(1, "A"), message(2, "b", "a")], "(1)(2)"),
    # the same subject (step 5)
    ([message(1, "a", subject="S"), message(2, "b", subject="Re:S")], "(1 2)"),
    ([message(1, "a", subject="Re:S"), message(2, "b", subject="S")], "(2 1)"),
    ([message(1, "a", subject="S"), message(2, "b", subject="S")], "((1)(2))"),
    ([message(1, "a", subject="S"), message(2, "b", subject="S"), message(3, "c", subject="Re:S")], "((1)(2)(3))"),
    ([message(1, "a", subject="Re:S"), message(2, "b", subject="Re:S")], "((1)(2))"),
    ([message(1, "a", subject=""), message(2, "b", subject="")], "(1)(2)"),
    (
        [
            message(1, "b", "x", "S"),
            message(2, "c", "x", "Re:S"),
            message(3, "d", "", "S"),
            message(4, "e", "", "Re:S"),
        ],
        "((1)(2)(3)(4))",
    ),
    (
        [message(1, "b", "x", "S"), message(2, "c", "x", "S"), message(3, "d", "y", "S"), message(4, "e", "y", "S")],
        "((1)(2)(3)(4))",
    ),
    ([message(1, "a", subject="S"), message(2, "b", "a", "T"), message(3, "c", "", "T")], "(1 2)(3)"),
    # top level by date; a message that is not there by its first reply
    (
        [message(1, "b", "x", sent=7), message(2, "c", "x", sent=3), message(3, sent=5), message(4, sent=2)],
        "(4)((2)(1))(3)",
    ),
]


@pytest.mark.parametrize(("messages", "threads"), REFERENCES)
def test_references(messages: list[Threaded], threads: str) -> None:
    assert shown(by_references(messages)) == threads


IDS = st.sampled_from("abcdefgh")
MESSAGES = st.lists(
    st.tuples(
        IDS | st.just(""), st.lists(IDS, max_size=5), st.sampled_from(["", "S", "Re:S", "T", "Re:T"]), st.integers(0, 9)
    ),
    max_size=12,
).map(
    lambda rows: [
        message(number, id_, " ".join(references), subject, sent)
        for number, (id_, references, subject, sent) in enumerate(rows, 1)
    ]
)


@given(MESSAGES)
def test_every_message_once(messages: list[Threaded]) -> None:
    for make in (by_subject, by_references):
        text = shown(make(messages))
        numbers = sorted(map(int, text.replace("(", " ").replace(")", " ").split()))
        assert numbers == [each.number for each in messages]
        assert text.count("(") == text.count(")")
        assert "()" not in text


@given(MESSAGES)
def test_siblings_stand_by_date(messages: list[Threaded]) -> None:
    sent = {each.number: (each.sent, each.number) for each in messages}

    def first(tree: object) -> tuple[int, int]:
        number, replies = tree.number, tree.replies  # type: ignore[attr-defined]
        return sent[number] if number is not None else first(replies[0])

    def look(replies: tuple[object, ...]) -> None:
        dates = [first(each) for each in replies]
        assert dates == sorted(dates)
        for each in replies:
            look(each.replies)  # type: ignore[attr-defined]

    look(by_references(messages))


@pytest.mark.parametrize("shape", ["deep", "deep, last first", "wide", "random", "loops", "pairs below a chain"])
def test_a_large_box(shape: str) -> None:
    """No recursion, and no time that grows with the square."""
    count = 20_000
    chance = random.Random(1)
    match shape:
        case "deep":
            messages = [message(at, f"m{at}", f"m{at - 1}") for at in range(1, count)]
        case "deep, last first":
            messages = [message(at, f"m{at}", f"m{at + 1}") for at in range(1, count)]
        case "wide":
            messages = [message(at, f"m{at}", "m1") for at in range(1, count)]
        case "random":
            messages = [message(at, f"m{at}", f"m{chance.randrange(count)}", f"S{at % 99}") for at in range(1, count)]
        case "loops":
            messages = [message(at, f"m{at}", f"m{count - at} m{at // 2} m{count - 1}") for at in range(1, count)]
        case _:
            half = count // 2
            messages = [message(at, f"m{at}", f"m{at - 1}") for at in range(1, half)]
            messages += [message(at, f"m{at}", f"m{half - 1} x{at}") for at in range(half, count)]
    before = time.process_time()
    text = shown(by_references(messages))
    assert time.process_time() - before < 50
    assert text.count("(") == text.count(")")
    assert len(text.replace("(", " ").replace(")", " ").split()) == count - 1
