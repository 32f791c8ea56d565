"""The part tree: where parts begin and end, limits, and its packed form."""

import pytest

from opostd.mime.scan import MAX_DEPTH, MAX_PARTS, Kind, Part, Tree, pack, scan, unpack

MIXED = b'Content-Type: multipart/mixed; boundary="b"\n\n'


def leaves(raw: bytes) -> list[bytes]:
    """The bodies of all parts without children, in order."""
    return [raw[part.body : part.end] for part in scan(raw).parts if not part.below]


BODIES: list[tuple[bytes, list[bytes]]] = [
    (b"", [b""]),
    (b"\n", [b""]),
    (b"\r\n", [b""]),
    (b"body", [b""]),  # no empty line: all of it is header
    (b"\nbody", [b"body"]),
    (b"\r\nbody", [b"body"]),
    (b"A: b\n\nbody\n", [b"body\n"]),
    (b"A: b\r\n\nbody", [b"body"]),
    (b"A: b\n \n c\n\nbody", [b"body"]),  # a line of a space folds, and does not end the header
    (MIXED + b"--b\n\none\n--b\n\ntwo\n--b--\n", [b"one", b"two"]),
    (MIXED + b"--b\n\none\n--b\n\ntwo\n", [b"one", b"two\n"]),
    (MIXED + b"--b\n\none\n\n--b--", [b"one\n"]),
    (MIXED + b"--b\n\none\r\n--b--", [b"one"]),
    (MIXED + b"--b \t\n\none\n--b--\t\n", [b"one"]),
    (MIXED + b"--b\n\none\n--bb\n--\n---b\n -b\n--b-\n--b--", [b"one\n--bb\n--\n---b\n -b\n--b-"]),
    (MIXED + b"--b\n\none\n--b--\n--b\n\nno part\n", [b"one"]),  # behind the close delimiter is epilogue
    (MIXED + b"no delimiter", [b""]),
    (MIXED, [b""]),
    (MIXED + b"--b--", [b""]),
    (MIXED + b"--b", [b""]),
    (MIXED + b"--b\n", [b""]),
    (MIXED + b"--b\n--b\n--b--", [b"", b""]),
    (MIXED + b"--b\nA: b\n--b\n\ntwo\n--b--", [b"", b"two"]),
    (b"Content-Type: multipart/mixed\n\n--b\n\nx", [b"--b\n\nx"]),
    (b'Content-Type: multipart/mixed; boundary=""\n\n--\n\nx', [b"--\n\nx"]),
    (b"Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\n\n--bc\n\nx\n--bc--", [b"x"]),
    (b"Content-Type: multipart/mixed; boundary=" + b"b" * 2000 + b"\n\nx", [b"x"]),
    (b"Content-Type: message/rfc822\n\nA: b\n\nx", [b"x"]),
    (b"Content-Type: message/rfc822\n\n", [b""]),
    (b"Content-Type: message/rfc822", [b""]),
    (b'Content-Type: multipart/digest; boundary="b"\n\n--b\n\nA: b\n\nx\n--b--', [b"x"]),
    (MIXED + b"--b\nContent-Type: message/rfc822\n\nA: b\n--b\n\ny\n--b--", [b"", b"y"]),
    (
        b"Content-Type: multipart/mixed; boundary=foo\n\n--foo\nContent-Type: multipart/mixed; boundary=foo--\n\n"
        b"--foo--\n\nin\n--foo----\n--foo\n\nout\n--foo--\n",
        [b"in", b"out"],  # the inner delimiter is the outer close delimiter: the inner one counts
    ),
]


@pytest.mark.parametrize(("raw", "expected"), BODIES)
def test_bodies(raw: bytes, expected: list[bytes]) -> None:
    assert leaves(raw) == expected


@pytest.mark.parametrize(("raw", "expected"), BODIES)
def test_bodies_with_crlf(raw: bytes, expected: list[bytes]) -> None:
    def crlf(octets: bytes) -> bytes:
        return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    assert leaves(crlf(raw)) == [crlf(body) for body in expected]


def test_a_tree() -> None:
    raw = MIXED + b"--b\n\none\n--b\nContent-Type: message/rfc822\n\nA: b\n\nx\n--b--\n"
    tree = scan(raw)
    assert [part.kind for part in tree.parts] == [Kind.MULTIPART, Kind.LEAF, Kind.MESSAGE, Kind.LEAF]
    assert [part.below for part in tree.parts] == [3, 0, 1, 0]
    assert list(tree.children(0)) == [1, 2]
    assert tree.child(0, 2) == 2
    assert tree.child(0, 3) is None
    inner = tree.parts[3]
    assert raw[inner.start : inner.end] == b"A: b\n\nx"


def test_windows_end_between_lines() -> None:
    """Delimiters are looked for a window at a time: one is found wherever it falls."""
    for filler in range(4080, 4110):
        raw = MIXED + b"--b\n\n--\n" + b"-" * filler + b"\n--b\n\ntwo\n" + b"--x\n" * 2000 + b"--b--\n"
        assert leaves(raw) == [b"--\n" + b"-" * filler, b"two\n" + (b"--x\n" * 2000)[:-1]]


def test_depth_has_a_limit() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (at, at) for at in range(10_000))
    tree = scan(raw)
    assert len(tree.parts) == MAX_DEPTH + 1
    assert tree.parts[-1].kind is Kind.OPAQUE
    assert tree.parts[-1].end == len(raw)
    messages = scan(b"Content-Type: message/rfc822\n\n" * 10_000)
    assert len(messages.parts) == MAX_DEPTH + 1
    assert messages.parts[-1].kind is Kind.OPAQUE


def test_parts_have_a_limit() -> None:
    raw = MIXED + b"--b\n\nx\n" * 100_000
    tree = scan(raw)
    assert len(tree.parts) <= MAX_PARTS
    assert len(tree.parts) > MAX_PARTS - 5
    assert tree.parts[-1].kind is Kind.OPAQUE
    assert tree.parts[-1].end == len(raw)
    messages = scan(MIXED + b"--b\nContent-Type: message/rfc822\n\n\nx\n" * 100_000)
    assert len(messages.parts) <= MAX_PARTS


def test_headers_looked_at_have_a_limit() -> None:
    tree = scan(b"X: " + b"y" * 10_000_000 + b"\n\nbody")
    assert tree.parts[0].body == 10_000_005  # offsets are exact all the same
    assert tree.looks()[0] == 256 * 1024


def test_packed_size() -> None:
    assert len(pack(scan(b"A: b\r\n\r\nx"))) == 21


@pytest.mark.parametrize(
    "octets", [b"", b"\x01", b"\x02" + bytes(20), b"\x01" + bytes(19), b"\x01" + b"\xff" * 20, b"\x01" + bytes(21)]
)
def test_not_a_packed_tree(octets: bytes) -> None:
    with pytest.raises(ValueError, match="packed"):
        unpack(octets)


def test_unpacked() -> None:
    tree = Tree((Part(Kind.MULTIPART, 1, 0, 1, 2**32 - 1), Part(Kind.OPAQUE, 0, 1, 2, 3)))
    assert unpack(pack(tree)) == tree
    assert unpack(pack(tree)).parts[1].kind is Kind.OPAQUE
