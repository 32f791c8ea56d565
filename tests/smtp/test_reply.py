"""Every reply is well formed, and no text of a peer gets into one."""

import re

import pytest

from opostd.model import errors
from opostd.smtp import faults
from opostd.smtp import reply as say
from opostd.smtp.reply import Reply

ALL = {name: value for name, value in vars(say).items() if isinstance(value, Reply)}


@pytest.mark.parametrize("name", ALL)
def test_form(name: str) -> None:
    reply = ALL[name]
    assert re.fullmatch(rb"[2-5]\d\d (?:[245]\.\d{1,3}\.\d{1,3} )?[ -~]+\r\n", reply.octets)
    assert len(reply.octets) <= 512  # RFC 5321 4.5.3.1.5
    if reply.enhanced:
        assert reply.enhanced[0] == str(reply.code)[0]  # RFC 2034 4
    else:
        assert reply in (say.GO_ON,)


def test_lines() -> None:
    assert say.hello("h", ("A", "B")).octets == b"250-h\r\n250-A\r\n250 B\r\n"
    assert say.hello("h", ()).octets == b"250 h\r\n"
    assert say.challenge("").octets == b"334 \r\n"  # RFC 4954 4: the space stays


def test_text_of_others_cannot_break_out() -> None:
    reply = say.BAD_MESSAGE.with_text("x\r\n250 2.0.0 kept\0\x1b[31mü" + "y" * 1000)
    assert reply.octets.count(b"\r\n") == 1
    assert reply.octets.isascii()
    assert len(reply.octets) < 512


@pytest.mark.parametrize(
    ("error", "code", "enhanced"),
    [
        (errors.NoSuchAddress("x"), 550, "5.1.1"),
        (errors.NotAllowed("x"), 550, "5.7.1"),
        (errors.TooBig("x"), 552, "5.3.4"),
        (errors.BadMessage("x"), 550, "5.6.0"),
        (errors.Unavailable("secret"), 451, "4.3.0"),
        (errors.DiskFull("secret"), 452, "4.3.1"),
        (errors.LimitReached("x"), 452, "4.5.3"),
        (errors.BadAddress("x"), 553, "5.1.3"),
        (errors.BadSyntax(0, "x"), 501, "5.5.4"),
        (ZeroDivisionError("secret"), 451, "4.3.0"),
    ],
)
def test_faults(error: Exception, code: int, enhanced: str) -> None:
    reply = faults.reply_to(error)
    assert (reply.code, reply.enhanced) == (code, enhanced)
    assert b"secret" not in reply.octets


def test_a_bug_has_a_number_in_the_reply_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reply = faults.reply_to(KeyError("secret"))
    number = re.search(r"incident ([0-9a-f]{8})", str(reply.text))
    assert number is not None
    assert number[1] in caplog.text
    assert "KeyError" in caplog.text
