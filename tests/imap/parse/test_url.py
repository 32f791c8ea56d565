"""IMAP URLs as CATENATE has them (RFC 5092, RFC 4469 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.parse.url import parse_url
from opostd.imap.values.append import MessageUrl
from opostd.imap.values.fetch import Section, Text


def part(*path: int, text: Text = Text.WHOLE, **more: object) -> Section:
    return Section(path, text, peek=True, **more)  # type: ignore[arg-type]


URLS = [
    (b"/Drafts/;UID=20", MessageUrl("Drafts", None, 20, part())),
    (
        b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
        MessageUrl("Drafts", 385759045, 20, part(text=Text.HEADER)),
    ),
    (b"/Drafts;uidvalidity=5/;uid=20/;Section=2.MIME", MessageUrl("Drafts", 5, 20, part(2, text=Text.MIME))),
    (b"/Drafts/;UID=20/;SECTION=1.2/;PARTIAL=5.9", MessageUrl("Drafts", None, 20, part(1, 2, partial=(5, 9)))),
    (b"/Drafts/;UID=20/;PARTIAL=5", MessageUrl("Drafts", None, 20, part(partial=(5, 2**32 - 1)))),
    (b";UID=20/;SECTION=TEXT", MessageUrl(None, None, 20, part(text=Text.TEXT))),
    (b"/inbox/;UID=1", MessageUrl("INBOX", None, 1, part())),
    (b"/a/b%20c/;UID=1", MessageUrl("a/b c", None, 1, part())),
    (b"/Entw%C3%BCrfe/;UID=1", MessageUrl("Entwürfe", None, 1, part())),
    (
        b"/x/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20To)",
        MessageUrl("x", None, 1, part(text=Text.HEADER_FIELDS, fields=(b"Subject", b"To"))),
    ),
    # The example of RFC 8508 4.2 lacks a slash.
    (b"/Drafts/;UID=3002", MessageUrl("Drafts", None, 3002, part())),
]


@pytest.mark.parametrize(("octets", "url"), URLS)
def test_url(octets: bytes, url: MessageUrl) -> None:
    assert parse_url(octets) == url


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"x",
        b"/Drafts",
        b"/Drafts/",
        b"/Drafts;UID=1",
        b"/;UID=1",
        b"/Drafts/;UID=0",
        b"/Drafts/;UID=4294967296",
        b"/Drafts/;UID=1/",
        b"/Drafts/;UID=1/;SECTION=",
        b"/Drafts/;UID=1/;SECTION=MIME",
        b"/Drafts/;UID=1/;SECTION=1]x",
        b"/Drafts/;UID=1/;SECTION=1]<0.1>",
        b"/Drafts/;UID=1/;PARTIAL=1.0",
        b"/Drafts/;UID=1/;PARTIAL=4294967296",
        b"/Drafts/;UID=1;URLAUTH=anonymous:internal:00",
        b"/Drafts;UIDVALIDITY=0/;UID=1",
        b"/Drafts?x/;UID=1",
        b"/a%/;UID=1",
        b"/a%f/;UID=1",
        b"/%FF/;UID=1",
        b"/a%0Ab/;UID=1",
        b"/a\xff/;UID=1",
        b"imap://host/Drafts/;UID=1",
        b"//host/Drafts/;UID=1\n",
    ],
)
def test_no_url(octets: bytes) -> None:
    assert parse_url(octets) is None


@given(st.lists(st.sampled_from([b"/", b";UID=", b"1", b"a", b"%41", b"%", b"/;SECTION=", b"]", b"(", b'"', b"."])))
def test_any_octets(pieces: list[bytes]) -> None:
    url = parse_url(b"".join(pieces))
    assert url is None or url.uid > 0
