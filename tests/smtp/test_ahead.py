"""RCPT lines that have come already (RFC 2920): what is looked for together, and what is left to its turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.smtp.ahead import MOST, recipients

CASES = [
    (b"", []),
    (b"RCPT TO:<a@x.example>\r\n", ["a@x.example"]),
    (b"rcpt to: <a@x>\r\nRCPT TO:<postmaster> NOTIFY=NEVER\r\nDATA\r\n", ["a@x", "postmaster"]),
    ("RCPT TO:<jürgen@x>\r\n".encode(), ["jürgen@x"]),
    (b"RCPT TO:<\xff@x>\r\nRCPT TO:<a@x>\r\n", ["a@x"]),
    # Not yet there as a whole, behind another command, or not as nearly all are written
    (b"RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r", ["a@x"]),
    (b"RCPT TO:<a@x>\r\nRSET\r\nRCPT TO:<b@x>\r\n", ["a@x"]),
    (b"DATA\r\nRCPT TO:<a@x>\r\n", []),
    (b'RCPT TO:<"a"@x>\r\n', []),
    (b"RCPT TO:<a@x>\n", []),
    (b"RCPT TO:<a\r\n@x>\r\n", []),
    (b"RCPT TO:<a@x>\r\n" * (MOST + 1), ["a@x"] * MOST),
]


@pytest.mark.parametrize(("come", "found"), CASES)
def test_recipients(come: bytes, found: list[str]) -> None:
    assert recipients(bytearray(come)) == found


@given(st.binary(max_size=200))
def test_any_octets(octets: bytes) -> None:
    recipients(bytearray(octets))
    recipients(bytearray(b"RCPT TO:<" + octets + b">\r\n"))
