"""Modified UTF-7 (RFC 3501 5.1.3): one name, one spelling."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opostd.imap.wire.mutf7 import BadMailboxName, decode, encode, plain

NAMES = [
    ("", b""),
    ("INBOX", b"INBOX"),
    ("a&b", b"a&-b"),
    ("&", b"&-"),
    ("&-", b"&--"),
    ("&&", b"&-&-"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 5.1.3
    ("☺!", b"&Jjo-!"),
    ("üö", b"&APwA9g-"),
    ("ü&ö", b"&APw-&-&APY-"),
    ("😀", b"&2D3eAA-"),
    ("a, b/c", b"a, b/c"),
]


@pytest.mark.parametrize(("name", "octets"), NAMES)
def test_both_ways(name: str, octets: bytes) -> None:
    assert encode(name) == octets
    assert decode(octets) == name


BAD = [
    b"&",  # bare
    b"a&b",
    b"&Jjo",  # not ended
    b"&Jjo!",
    b"&AGE-",  # an encoded "a"
    b"&AC8-",  # an encoded "/"
    b"&AAA-",  # an encoded NUL
    b"&AAo-",  # an encoded LF
    b"&AH8-",
    b"&2D0-",  # half a surrogate pair
    b"&3gDYPQ-",  # the halves the wrong way round
    b"&U,BTFw-&ZeVnLIqe-",  # a null shift
    b"&Jjp-",  # bits left over
    b"&Jj-",  # half a unit
    b"&JjoA-",
    b"&Jjo=-",
    b"&Jj/-",  # plain base64's slash
    b"&A A-",
    b"Entw\xc3\xbcrfe",
    b"\xff",
    b"a\0b",
    b"a\x01",
    b"a\r\nb",
    b"\x7f",
]


@pytest.mark.parametrize("octets", BAD)
def test_bad(octets: bytes) -> None:
    with pytest.raises(BadMailboxName):
        decode(octets)


def test_a_lone_surrogate_has_no_spelling() -> None:
    with pytest.raises(BadMailboxName):
        encode("a\ud83d")


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(TEXT | st.text(alphabet="&-,/aü台😀"))
def test_round_trip(name: str) -> None:
    octets = encode(name)
    assert octets.isascii()
    assert octets.isdigit() or octets.decode("ascii").isprintable()
    assert decode(octets) == name


@given(st.text(alphabet="&-,/+aAB=0zé", max_size=12).map(lambda text: text.encode()) | st.binary(max_size=12))
@example(b"&AAAAAA-")
def test_any_octets_are_a_name_or_an_error(octets: bytes) -> None:
    try:
        name = decode(octets)
    except BadMailboxName:
        return
    assert encode(name) == octets


@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_plain(name: str) -> None:
    """RFC 6855 3: UTF-8 as it is; "&" is nothing special."""
    assert plain(name.encode()) == name


@pytest.mark.parametrize(
    "octets",
    [b"\xff", b"\xc3", b"\xed\xa0\x80", b"a\nb", b"\x7f", "a\x85".encode(), "a\u2028".encode(), "\u2029".encode()],
)
def test_no_plain_name(octets: bytes) -> None:
    with pytest.raises(BadMailboxName):
        plain(octets)
