"""What holds for any octets: nothing raises, spans stay inside, slices make up the message, answers fit the grammar."""

from hypothesis import given, settings
from hypothesis import strategies as st

from opostd.mime.addresses import MAX_ADDRESSES, _token_by_token, addresses
from opostd.mime.bodystructure import _lines_before
from opostd.mime.casemap import casemap
from opostd.mime.envelope import envelope
from opostd.mime.facts import new_post
from opostd.mime.headers import decode_words, disposition, fields, media, parameters, token, unfold, unfolded
from opostd.mime.scan import Kind, pack, scan, unpack
from opostd.mime.section import SectionName, decoded, header_fields, span
from opostd.mime.sought import sought
from opostd.mime.text import MAX_PREVIEW, preview
from opostd.model.ids import PostId
from tests.mime.imap_octets import check_bodystructure, check_envelope

# Pieces of mail: joined at random they make more nesting, and more broken nesting, than random octets do.
PIECES = (
    b"\r\n\r\n",
    b"\r\n",
    b"\n",
    b"--a",
    b"--b",
    b"--",
    b"\r\n--a\r\n",
    b"\r\n--b\r\n",
    b"\r\n--a--\r\n",
    b"\r\n--b--\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n",
    b'Content-Type: multipart/digest; boundary="b"\r\n\r\n',
    b"Content-Type: message/rfc822\r\n\r\n",
    b"Content-Type: text/html; charset=",
    b"Content-Type: ",
    b"Content-Disposition: attachment; filename*0*=utf-8''%e2; ",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Language: de, en\r\n",
    b"Subject: =?utf-8?q?=C3=BC?= ",
    b"From: A <a@b>, g: c@d; (x) ",
    b"To: ",
    b"Date: 1 Jan 2020 00:00:00 +0100\r\n",
    b"References: <a@b> ",
    b"text",
    b" ",
    b'"',
    b"(",
    b"\\",
    b";",
    b"\x00",
    b"\xc3\xbc",
    b"\xff",
)
MAIL = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=40).map(b"".join)
PATHS = st.lists(st.integers(1, 4), max_size=5).map(tuple)
ID = PostId(bytes(16))


@given(MAIL, st.sets(st.integers(0, 20)))
def test_lines_are_those_of_each_part_that_is_asked_for(raw: bytes, wanted: set[int]) -> None:
    counted = [part for number, part in enumerate(scan(raw).parts) if number in wanted]
    before = _lines_before(raw, counted)
    for part in counted:
        assert before[part.end] - before[part.body] == raw[part.body : part.end].count(b"\n")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["word", "x" * 190, "\n", " " * 300, "\t", "y" * 700]), max_size=8).map("".join))
def test_a_preview_is_the_beginning_of_the_whole_text(text: str) -> None:
    raw = b"\n" + text.encode()
    assert preview(raw, scan(raw)) == " ".join(text.split())[:MAX_PREVIEW].strip()


@settings(max_examples=400)
@given(MAIL)
def test_the_tree_covers_the_message(raw: bytes) -> None:
    tree = scan(raw)
    assert (tree.parts[0].start, tree.parts[0].end) == (0, len(raw))
    assert tree.parts[0].below == len(tree.parts) - 1
    for index, part in enumerate(tree.parts):
        assert part.start <= part.body <= part.end
        at = part.body
        children = list(tree.children(index))
        for child in children:
            inner = tree.parts[child]
            assert at <= inner.start
            assert inner.end <= part.end
            at = inner.end
        if part.kind is Kind.MESSAGE:
            assert [(tree.parts[child].start, tree.parts[child].end) for child in children] == [(part.body, part.end)]
        else:
            assert bool(children) is (part.kind is Kind.MULTIPART)
    assert unpack(pack(tree)) == tree


@settings(max_examples=300)
@given(MAIL, PATHS, st.sampled_from(SectionName))
def test_sections_stay_inside(raw: bytes, path: tuple[int, ...], name: SectionName) -> None:
    tree = scan(raw)
    where = span(len(raw), tree, path, name)
    if where is not None:
        assert 0 <= where[0] <= where[1] <= len(raw)
    header = span(len(raw), tree, path, SectionName.HEADER)
    text = span(len(raw), tree, path, SectionName.TEXT)
    whole = span(len(raw), tree, path, SectionName.WHOLE)
    assert (header is None) is (text is None)
    if header and text and whole:
        assert raw[slice(*header)] + raw[slice(*text)] == raw[slice(*whole)]
    mime = span(len(raw), tree, path, SectionName.MIME)
    assert (mime is None) is (whole is None or not path)
    if mime and whole:
        assert mime[1] == whole[0]


@settings(max_examples=400)
@given(MAIL)
def test_facts_fit_the_grammar(raw: bytes) -> None:
    post = new_post(raw, id=ID, now=0)
    facts = post.facts
    for octets in (facts.envelope, facts.body, facts.bodystructure):
        assert octets.isascii()
        assert not set(octets) & {0, 10, 13}
    check_envelope(facts.envelope)
    check_bodystructure(facts.body, extended=False)
    check_bodystructure(facts.bodystructure, extended=True)
    assert raw.startswith(facts.header)
    for text in (post.text, facts.subject, facts.sender, facts.message_id, preview(raw, scan(raw))):
        text.encode()  # no lone surrogate
        assert "\0" not in text
    assert len(facts.thread) == 16


ADDRESS_PIECES = (
    b"a", b"John", b"Q.", b".", b" ", b"  ", b",", b", ", b"<", b">", b"@", b'"', b"a@b.c", b"<x@y>", b"\\", b"(c)", b";",
    b"g:", b"\t", b"\xc3\xbc", b"=?q?=", b"'", b"\x0b", b"\r\n ", b"- ", b"<a.b@c-d.e>", b'"A B"', b'" "',
)  # fmt: skip


@settings(max_examples=2000)
@given(st.lists(st.sampled_from(ADDRESS_PIECES), max_size=9).map(b"".join), st.integers(1, 3))
def test_the_short_way_to_addresses_is_the_long_one(value: bytes, limit: int) -> None:
    assert addresses(value) == _token_by_token(unfold(value), MAX_ADDRESSES)
    assert addresses(value, limit) == _token_by_token(unfold(value), limit)


@settings(max_examples=400)
@given(MAIL | MAIL.map(lambda raw: raw.replace(b"\n", b"\r\n")))
def test_the_short_way_through_a_header_is_the_long_one(raw: bytes) -> None:
    lines = [(name, unfold(value)) for name, value in fields(raw)]
    assert list(unfolded(raw)) == [(name.lower(), name, value) for name, value in lines]
    head = "".join(f"\n{name.decode('latin-1')}: {decode_words(value)}" for name, value in lines)
    assert sought(raw).head == casemap(head)


@settings(max_examples=300)
@given(MAIL)
def test_fields_and_words_never_raise(raw: bytes) -> None:
    for _, value in fields(raw):
        line = unfold(value)
        assert not set(line) & {0, 10, 13}
        assert not set(decode_words(line)) & set("\0\r\n\u202e")
        addresses(value)
        token(value)
        for said in (media(value), disposition(value)):
            if said is not None:
                parameters(said)
    envelope(raw)
    for encoding in (b"base64", b"quoted-printable"):
        assert decoded(raw, encoding) is not None


@settings(max_examples=200)
@given(MAIL)
def test_fields_and_the_others_are_the_header(raw: bytes) -> None:
    block = raw[: scan(raw).parts[0].body]
    names = frozenset((b"subject", b"content-type"))
    chosen, others = header_fields(block, names, False), header_fields(block, names, True)
    assert chosen.endswith(b"\r\n")
    assert {name.lower() for name, _ in fields(chosen)} <= names
    assert not {name.lower() for name, _ in fields(others)} & names
    count = sum(1 for _ in fields(block))
    assert sum(1 for _ in fields(chosen)) + sum(1 for _ in fields(others)) == count


LINES = st.lists(
    st.one_of(st.sampled_from([b"Subject: a", b"TO :b", b"to:", b" on", b"\ton", b"x-to: c", b"", b"to", b"[t]: d"]),
              st.binary(max_size=6).map(lambda octets: octets.replace(b"\n", b""))),
    max_size=12,
)  # fmt: skip


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.sets(st.sampled_from([b"subject", b"to", b"[t]", b"\xe9", b"x"])))
def test_fields_are_chosen_line_by_line(lines: list[bytes], end: bytes, names: set[bytes]) -> None:
    """With the end of the last line and without."""
    chosen, taken = [], False
    for line in lines:
        if line[:1] not in (b" ", b"\t"):
            name, colon, _ = line.partition(b":")
            taken = bool(colon) and name.rstrip(b" \t").lower() in names
        if taken:
            chosen.append(line)
    block = end.join(lines)
    wanted = end.join([*chosen, b""]) + b"\r\n"
    assert header_fields(block + end, frozenset(names), False) == wanted
    if block and lines[-1] not in (b"", b"\r"):
        found = header_fields(block, frozenset(names), False)
        assert found.replace(b"\r", b"") == wanted.replace(b"\r", b"")


@given(st.binary(max_size=200))
def test_any_octets(raw: bytes) -> None:
    post = new_post(raw, id=ID, now=0)
    check_envelope(post.facts.envelope)
    check_bodystructure(post.facts.bodystructure, extended=True)
    decode_words(raw)
    addresses(raw)
