"""FETCH and UID FETCH (RFC 9051 6.4.5, RFC 3501 6.4.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.fetch import section_label
from opostd.imap.parse.fetch import parse_fetch
from opostd.imap.values.fetch import Fetch, Form, Item, Section, Text
from opostd.imap.values.sets import MAX_NUMBER, STAR, SequenceSet
from opostd.model.errors import BadSyntax
from opostd.model.ids import ModSeq
from tests.imap.octets import cursor
from tests.imap.parse.writing import write_fetch

ONE = SequenceSet(((1, 1),))

# The item as it is asked for, its value, and its label in the answer.
SECTIONS = [
    (b"BODY[]", Section((), Text.WHOLE), b"BODY[]"),
    (b"body.peek[]", Section((), Text.WHOLE, peek=True), b"BODY[]"),
    (b"BODY[TEXT]", Section((), Text.TEXT), b"BODY[TEXT]"),
    (b"BODY[header]", Section((), Text.HEADER), b"BODY[HEADER]"),
    (b"BODY[1]", Section((1,), Text.WHOLE), b"BODY[1]"),
    (b"BODY[1.2.3]", Section((1, 2, 3), Text.WHOLE), b"BODY[1.2.3]"),
    (b"BODY[10.MIME]", Section((10,), Text.MIME), b"BODY[10.MIME]"),
    (b"BODY[1.2.HEADER]", Section((1, 2), Text.HEADER), b"BODY[1.2.HEADER]"),
    (b"BODY[]<0.10>", Section((), Text.WHOLE, partial=(0, 10)), b"BODY[]<0>"),
    (
        b"BODY.PEEK[1]<4294967295.4294967295>",
        Section((1,), Text.WHOLE, partial=(MAX_NUMBER, MAX_NUMBER), peek=True),
        b"BODY[1]<4294967295>",
    ),
    (
        b"BODY[HEADER.FIELDS (From To)]",
        Section((), Text.HEADER_FIELDS, (b"From", b"To")),
        b"BODY[HEADER.FIELDS (From To)]",
    ),
    (
        b'BODY[1.HEADER.FIELDS.NOT ("From" {2+}\r\nTo X-A:B "a b")]',
        Section((1,), Text.HEADER_FIELDS_NOT, (b"From", b"To", b"X-A:B", b"a b")),
        b'BODY[1.HEADER.FIELDS.NOT (From To "X-A:B" "a b")]',
    ),
]


@pytest.mark.parametrize(("octets", "section", "label"), SECTIONS)
def test_section(octets: bytes, section: Section, label: bytes) -> None:
    assert parse_fetch(cursor(b" 1 " + octets), by_uid=False) == Fetch(ONE, (section,), False)
    assert section_label(section) == label


FAST = (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE)

ALONE = [item for item in Item if item is not Item.PREVIEW]  # it takes the place of PREVIEW (LAZY) beside it

ITEMS = [
    (b"FAST", FAST),
    (b"all", (*FAST, Item.ENVELOPE)),
    (b"FULL  ", (*FAST, Item.ENVELOPE, Item.BODY)),
    *((item.value, (item,)) for item in ALONE),
    (b"(" + b" ".join(item.value for item in ALONE) + b")", tuple(ALONE)),
    (b"(flags)", (Item.FLAGS,)),
    (b"(FLAGS UID flags)", (Item.FLAGS, Item.UID)),
    (b"(BODY BODY[])", (Item.BODY, Section((), Text.WHOLE))),
    (b"(BODY[1] UID BODY.PEEK[1])", (Section((1,), Text.WHOLE), Item.UID)),
    (b"(BODY.PEEK[1] UID BODY[1])", (Section((1,), Text.WHOLE), Item.UID)),
    (
        b"(BODY.PEEK[1] BODY.PEEK[1]<0.1>)",
        (Section((1,), Text.WHOLE, peek=True), Section((1,), Text.WHOLE, (), (0, 1), peek=True)),
    ),
    (b"PREVIEW", (Item.PREVIEW,)),
    (b"preview (lazy)", (Item.PREVIEW_LAZY,)),
    (b"(UID PREVIEW (LAZY LAZY) FLAGS)", (Item.UID, Item.PREVIEW_LAZY, Item.FLAGS)),
    (b"(PREVIEW (LAZY) PREVIEW)", (Item.PREVIEW,)),
    (b"BINARY[]", (Section((), Text.WHOLE, form=Form.BINARY),)),
    (b"binary[1]", (Section((1,), Text.WHOLE, form=Form.BINARY),)),
    (b"BINARY.PEEK[1.2]<3.4>", (Section((1, 2), Text.WHOLE, (), (3, 4), True, Form.BINARY),)),
    (b"BINARY.SIZE[2]", (Section((2,), Text.WHOLE, (), None, True, Form.BINARY_SIZE),)),
    (
        b"(BODY[1] BINARY.PEEK[1] BINARY[1] BINARY.SIZE[1])",
        (
            Section((1,), Text.WHOLE),
            Section((1,), Text.WHOLE, form=Form.BINARY),
            Section((1,), Text.WHOLE, peek=True, form=Form.BINARY_SIZE),
        ),
    ),
    (b"(" + b" ".join([b"BODY[]"] * 2000) + b")", (Section((), Text.WHOLE),)),
]


@pytest.mark.parametrize(("octets", "items"), ITEMS, ids=lambda value: repr(value)[:40])
def test_items(octets: bytes, items: tuple[Item | Section, ...]) -> None:
    assert parse_fetch(cursor(b" 2:4,* " + octets), by_uid=True) == Fetch(
        SequenceSet(((2, 4), (STAR, STAR))), items, True
    )


FLAGS_SINCE = (Item.FLAGS, Item.MODSEQ)  # CHANGEDSINCE adds MODSEQ (RFC 7162 3.1.4.1)
FIELDS_SINCE = (Section((), Text.HEADER_FIELDS, (b"A",), peek=True), Item.MODSEQ)
MODIFIED = [
    (b"FLAGS (CHANGEDSINCE 12345)", Fetch(ONE, FLAGS_SINCE, True, ModSeq(12345))),
    (b"(MODSEQ FLAGS) (changedsince 0) ", Fetch(ONE, (Item.MODSEQ, Item.FLAGS), True, ModSeq(0))),
    (b"FLAGS (PARTIAL -1:-3)", Fetch(ONE, (Item.FLAGS,), True, partial=(-1, -3))),
    (b"FLAGS (CHANGEDSINCE 12345 PARTIAL 1:30)", Fetch(ONE, FLAGS_SINCE, True, ModSeq(12345), partial=(1, 30))),
    (b"fast (CHANGEDSINCE 1 VANISHED)", Fetch(ONE, (*FAST, Item.MODSEQ), True, ModSeq(1), True)),
    (b"preview (Lazy) (CHANGEDSINCE 1)", Fetch(ONE, (Item.PREVIEW_LAZY, Item.MODSEQ), True, ModSeq(1))),
    (b"(FLAGS) (VANISHED CHANGEDSINCE 9223372036854775807)", Fetch(ONE, FLAGS_SINCE, True, ModSeq(2**63 - 1), True)),
    (b"BODY.PEEK[HEADER.FIELDS (A)] (CHANGEDSINCE 1)", Fetch(ONE, FIELDS_SINCE, True, ModSeq(1))),
    (b"BODY.PEEK[HEADER.FIELDS ({1+}\r\nA)] (CHANGEDSINCE 1)", Fetch(ONE, FIELDS_SINCE, True, ModSeq(1))),
]


@pytest.mark.parametrize(("octets", "command"), MODIFIED, ids=lambda value: repr(value)[:40])
def test_modifiers(octets: bytes, command: Fetch) -> None:
    assert parse_fetch(cursor(b" 1 " + octets), by_uid=True) == command


BAD = [
    (b" 1 FLAGS (CHANGEDSINCE)", 22),
    (b" 1 FLAGS (CHANGEDSINCE 9223372036854775808)", 23),
    (b" 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)", 25),
    (b" 1 FLAGS (UNCHANGEDSINCE 1)", 10),
    (b" 1 FLAGS (VANISHED)", 9),
    (b" 1 FLAGS (CHANGEDSINCE 1 VANISHED)", 9),  # of UID FETCH only
    (b" 1 FLAGS ()", 10),
    (b" 1 (FLAGS) x", 10),
    (b"", 0),
    (b" 1", 2),
    (b" 0 FLAGS", 1),
    (b" 1_0 FLAGS", 2),
    (b" 1  FLAGS", 3),
    (b" 1 ()", 4),
    (b" 1 (FLAGS", 9),
    (b" 1 (FLAGS  UID)", 10),
    (b" 1 (FAST)", 4),
    (b" 1 FLAGS UID", 8),
    (b" 1 (PREVIEW ())", 12),
    (b" 1 (PREVIEW (EAGER))", 12),
    (b" 1 (PREVIEW (LAZY)", 18),
    (b" 1 BINARY", 3),
    (b" 1 BINARY[HEADER]", 10),
    (b" 1 BINARY[1.]", 12),
    (b" 1 BINARY[1.TEXT]", 12),
    (b" 1 BINARY[0]", 10),
    (b" 1 BINARY[1]<5>", 14),
    (b" 1 BINARY.SIZE[1]<0.1>", 17),
    (b" 1 BINARY.SIZE", 3),
    (b" 1 BINARY.PEEK[1" + b".1" * 100 + b"]", 15),
    (b" 1 FLAGS)", 8),
    (b" 1 FROBNICATE", 3),
    (b" 1 BODY[", 8),
    (b" 1 BODY[0]", 8),
    (b" 1 BODY[1.0]", 10),
    (b" 1 BODY[1.]", 10),
    (b" 1 BODY[01]", 8),
    (b" 1 BODY[4294967296]", 8),
    (b" 1 BODY[MIME]", 8),
    (b" 1 BODY[FOO]", 8),
    (b" 1 BODY[1 ]", 9),
    (b" 1 BODY[HEADER.FIELDS]", 21),
    (b" 1 BODY[HEADER.FIELDS ()]", 23),
    (b" 1 BODY[HEADER.FIELDS (From]", 28),
    (b" 1 BODY[TEXT (From)]", 12),
    (b" 1 BODY[]<0.0>", 12),
    (b" 1 BODY[]<-1.5>", 10),
    (b" 1 BODY[]<0>", 11),
    (b" 1 BODY[]<0.1", 13),
    (b" 1 BODY[]<4294967296.1>", 10),
    (b" 1 RFC822.TEXT[1]", 3),
    (b" 1 BODY[" + b"1." * 101 + b"1]", 8),
    (b" 1 (" + b" ".join(b"BODY[%d]" % number for number in range(1, 1002)) + b")", 3),
]


@pytest.mark.parametrize(("octets", "offset"), BAD, ids=lambda value: repr(value)[:40])
def test_bad(octets: bytes, offset: int) -> None:
    for _ in range(2):  # the second time, known items do not hide the error
        with pytest.raises(BadSyntax) as raised:
            parse_fetch(cursor(octets), by_uid=False)
        assert raised.value.offset == offset


NUMBER = st.integers(1, MAX_NUMBER)
SETS = st.lists(st.tuples(NUMBER | st.just(STAR), NUMBER | st.just(STAR)), min_size=1, max_size=4).map(
    lambda ranges: SequenceSet(tuple(ranges))
)
FIELDS = st.lists(st.binary(min_size=1, max_size=6).map(lambda name: name.replace(b"\0", b"x")), min_size=1, max_size=3)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    path = tuple(draw(st.lists(NUMBER, max_size=3)))
    text = draw(st.sampled_from([text for text in Text if path or text is not Text.MIME]))
    fields = tuple(draw(FIELDS)) if text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT) else ()
    fields = tuple(field for field in fields if b"\r" not in field and b"\n" not in field and field.isascii()) or (
        (b"x",) if fields else ()
    )
    partial = draw(st.none() | st.tuples(st.integers(0, MAX_NUMBER), NUMBER))
    peek = draw(st.booleans())
    form = draw(st.sampled_from(Form))
    if form is Form.BODY:
        return Section(path, text, fields, partial, peek)
    if form is Form.BINARY_SIZE:
        return Section(path, Text.WHOLE, (), None, True, form)
    return Section(path, Text.WHOLE, (), partial, peek, form)


def _asked(item: Item | Section) -> object:
    return (item.form, item.path, item.text, item.fields, item.partial) if isinstance(item, Section) else item


@given(SETS, st.lists(st.sampled_from(ALONE) | sections(), min_size=1, max_size=5, unique_by=_asked), st.booleans())
def test_what_is_written_is_read(numbers: SequenceSet, items: list[Item | Section], by_uid: bool) -> None:
    command = Fetch(numbers, tuple(items), by_uid)
    assert parse_fetch(cursor(write_fetch(command)), by_uid=by_uid) == command
