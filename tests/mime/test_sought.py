"""What SEARCH, SORT and THREAD look at in a message."""

import pytest

from opostd.mime.sought import MAX_REFERENCES, of_message, sought
from opostd.model.records import Sought

HEADER = (
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <juergen@opost.example>, b@c\r\n"
    b"To: Team: a@b.example, c@d;, e@f\r\n"
    b"Cc: (comment) <x.y@z.example>\r\n"
    b"Subject: =?utf-8?q?Re=3A_Stra=C3=9Fe?=\r\n =?utf-8?q?_frei?=\r\n"
    b"X-Note: one\r\n two\tthree\r\n"
    b'Message-ID: <"q"@h>\r\n'
    b"References: <a@h> junk <b@H> <\r\n c@h>\r\n"
    b"In-Reply-To: <z@h>\r\n"
    b"\r\n"
)


def test_all_of_it() -> None:
    found = sought(HEADER)
    assert found == Sought(
        sent=837_595_405,
        subject="STRAßE FREI",
        reply=True,
        sender="JUERGEN",
        to="TEAM",
        cc="X.Y",
        sender_display="JU\u0308RGEN",
        to_display="TEAM",
        references="q@h\na@h\nb@H\nc@h",
        head=found.head,
    )
    lines = found.head.split("\n")
    assert lines[0] == ""
    assert "FROM: JU\u0308RGEN <JUERGEN@OPOST.EXAMPLE>, B@C" in lines
    assert "X-NOTE: ONE TWO THREE" in lines
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("header", "references"),
    [
        (b"", ""),
        (b"Message-Id: <a@b>\r\n", "a@b"),
        (b"Message-Id: a@b\r\n", ""),
        (b"In-Reply-To: <a@b> <c@d>\r\n", "\na@b"),
        (b"References: none\r\nIn-Reply-To: Your message of today <a@b>\r\n", "\na@b"),
        (b'Message-Id: <"a b\\"c"@d>\r\nReferences: <e>\r\n', 'a b"c@d\ne'),
        (b"References: <A@b> <a@b>\r\n", "\nA@b\na@b"),
    ],
)
def test_references(header: bytes, references: str) -> None:
    assert sought(header + b"\r\n").references == references


def test_references_are_bounded() -> None:
    many = b"References: " + b"".join(b"<%d@x>\r\n " % number for number in range(5000)) + b"\r\n\r\n"
    found = sought(many).references.split("\n")[1:]
    assert len(found) == MAX_REFERENCES
    assert (found[0], found[1], found[-1]) == ("0@x", "4001@x", "4999@x")


@pytest.mark.parametrize(
    ("header", "display"),
    [
        (b"", ""),
        (b'From: "" <a@b>\r\n', "A@B"),
        (b"From: A B <c@d>\r\n", "A B"),
        (b"From: c@d\r\n", "C@D"),
        (b"From: group:;\r\n", "GROUP"),
        (b"From: nobody\r\n", "NOBODY@MISSING_DOMAIN"),
    ],
)
def test_display(header: bytes, display: str) -> None:
    assert sought(header + b"\r\n").sender_display == display


def test_no_date_no_moment() -> None:
    assert sought(b"Date: yesterday\r\n\r\n").sent is None
    assert sought(b"Subject: x\r\n\r\n").sent is None


def test_of_a_whole_message() -> None:
    found, text = of_message(b"Subject: Hello\r\n\r\nThe Text\r\n")
    assert (found.subject, found.head, text) == ("HELLO", "\nSUBJECT: HELLO", "THE TEXT")
