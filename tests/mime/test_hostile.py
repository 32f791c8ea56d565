"""What is sent to hurt: each of these has once been slow or wrong somewhere, in this server or another.

The bound is loose, for machines are slow and shared: what is quadratic in 25 MiB takes longer than a test may.
"""

import time

import pytest

from opostd.mime.facts import new_post
from opostd.mime.section import header_fields
from opostd.model.ids import PostId

BOUND_S = 60.0  # of processor time; 1 to 2 s are the most that any needs
MI = 1024 * 1024
SIZE = 25 * MI
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))


def filled(start: bytes, unit: bytes, size: int = SIZE) -> bytes:
    return start + unit * ((size - len(start)) // len(unit))


CASES = {
    "multiparts 10,000 deep": lambda: nested(10_000),
    "messages in messages": lambda: filled(b"", b"Content-Type: message/rfc822\r\n\r\n"),
    "messages around a long body": lambda: filled(b"Content-Type: message/rfc822\r\n\r\n" * 99, b"x\r\n"),
    "100,000 delimiters": lambda: MIXED + b"--b\r\n" * 100_000,
    "parts without an empty line": lambda: filled(MIXED, b"--b\r\nX: y\r\n"),
    "lines of dashes": lambda: filled(MIXED, b"--\n"),
    "lines of dashes, deep": lambda: filled(nested(99), b"--\n"),
    "nearly delimiters": lambda: filled(MIXED, b"--bx\n"),
    "nearly close delimiters": lambda: filled(nested(99), b"--b5x--\n"),
    "messages in a multipart": lambda: filled(MIXED + b"--b\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 98, b"x"),
    "a header of 25 MiB in lines": lambda: filled(b"", b"X: y\r\n"),
    "a header of 25 MiB in one line": lambda: filled(b"X: ", b"y"),
    "no field in 25 MiB": lambda: filled(b"", b"y"),
    "folds": lambda: filled(b"Subject: ", b"\r\n "),
    "addresses": lambda: filled(b"To: ", b"a@b,"),
    "open comments": lambda: filled(b"To: ", b"("),
    "open quotes": lambda: filled(b"To: ", b'"\\'),
    "angles": lambda: filled(b"To: ", b"<"),
    "groups": lambda: filled(b"To: ", b"a:;"),
    "dots": lambda: filled(b"From: ", b"a."),
    "words of a phrase": lambda: filled(b"From: ", b"a "),
    "address bombs inside": lambda: (b"To: " + b"." * 5_000 + b"\r\nContent-Type: message/rfc822\r\n\r\n") * 100,
    "encoded words": lambda: filled(b"Subject: ", b"=?utf-8?q?a?= "),
    "no encoded words": lambda: filled(b"Subject: ", b"=?"),
    "parameters": lambda: filled(b"Content-Type: text/plain; ", b"a=b; "),
    "parameter sections": lambda: filled(b"Content-Type: text/plain; ", b"a*0*=b; "),
    "open parameters": lambda: filled(b"Content-Type: text/plain; ", b'a="'),
    "parameter comments": lambda: filled(b"Content-Type: text/plain; ", b" (a)"),
    "closed comments": lambda: filled(b"Content-Type: text/plain; ", b")"),
    "languages": lambda: filled(b"Content-Language: ", b"a,"),
    "references": lambda: filled(b"References: ", b"<"),
    "tags": lambda: filled(b"Content-Type: text/html\r\n\r\n", b"<b>"),
    "open tags": lambda: filled(b"Content-Type: text/html\r\n\r\n", b"<"),
    "scripts": lambda: filled(b"Content-Type: text/html\r\n\r\n<script>", b"</script "),
    "comments": lambda: filled(b"Content-Type: text/html\r\n\r\n", b"<!-- "),
    "references of HTML": lambda: filled(b"Content-Type: text/html\r\n\r\n", b"&a"),
    "a number of HTML": lambda: filled(b"Content-Type: text/html\r\n\r\n&#", b"1"),
    "NUL": lambda: filled(b"Subject: \0\r\n\r\n", b"\0"),
    "shifts": lambda: filled(b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", b"\x1b$B"),
    "equals signs": lambda: filled(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b"="),
    "part headers": lambda: MIXED + (b"--b\r\nContent-Type: text/plain" + b";a=(\\" * 5_000 + b"\r\n\r\n") * 1_000,
}


@pytest.mark.parametrize("name", CASES)
def test_time_and_size_are_bounded(name: str) -> None:
    raw = CASES[name]()
    began = time.process_time()
    post = new_post(raw, id=PostId(bytes(16)), now=0)
    assert time.process_time() - began < BOUND_S
    facts = post.facts
    # What is kept beside the octets, but for the header itself, is bounded whatever they are.
    assert len(facts.envelope) + len(facts.body) + len(facts.bodystructure) < 8 * MI
    assert len(facts.parts) <= 1 + 20 * 1_000
    assert len(post.text) <= MI
    post.text.encode()


@pytest.mark.parametrize("block", [b"To: x\r\n" * 200_000, b"To" * 500_000, b"To: x" + b"\r\n " * 300_000, b"\n" * MI])
def test_header_fields(block: bytes) -> None:
    began = time.process_time()
    header_fields(block, frozenset((b"to", b"subject")), False)
    header_fields(block, frozenset((b"to", b"subject")), True)
    assert time.process_time() - began < BOUND_S
