"""From error type to reply (style.md 5; RFC 5530, RFC 7889)."""

import pytest

from opostd.imap import faults
from opostd.imap.faults import BadCharset, BadUrl, BadUse, PrivacyRequired, Refused
from opostd.imap.format.any import format_response
from opostd.imap.state.numbers import NoSuchNumber
from opostd.model import errors

REPLIES: list[tuple[Exception, bytes]] = [
    (errors.BadSyntax(3, "SP"), b"BAD expected SP at octet 3"),
    (NoSuchNumber("there is no message 4"), b"BAD there is no message 4"),
    (errors.NoSuchBox("box 17 of anna"), b"NO [NONEXISTENT] no such mailbox"),
    (errors.LacksRight("no right"), b"NO [NOPERM] no right"),
    (errors.BoxExists("x"), b"NO [ALREADYEXISTS] there is a mailbox of this name already"),
    (errors.BadBoxName("no * in a name"), b"NO [CANNOT] no * in a name"),
    (errors.NotAllowed("INBOX stays"), b"NO [CANNOT] INBOX stays"),
    (errors.BadMessage("NUL"), b"NO [CANNOT] NUL"),
    (errors.TooBig("over 25 MiB"), b"NO [TOOBIG] over 25 MiB"),
    (errors.LimitReached("50 connections"), b"NO [LIMIT] 50 connections"),
    (errors.LoginFailed("anna: disabled"), b"NO [AUTHENTICATIONFAILED] wrong name or password"),
    (errors.Unavailable("server closed the connection"), b"NO [UNAVAILABLE] not now; try again in a moment"),
    (errors.DiskFull("disk"), b"NO [UNAVAILABLE] not now; try again in a moment"),
    (errors.Refused(), b"NO no"),
    (errors.AddressTaken("taken\r\nx"), b"NO taken x"),
    (PrivacyRequired("TLS first"), b"NO [PRIVACYREQUIRED] TLS first"),
    (BadUse("one role"), b"NO [USEATTR] one role"),
    (BadCharset(("US-ASCII", "UTF-8")), b"NO [BADCHARSET (US-ASCII UTF-8)] this charset is not known"),
    (errors.HasNul("NUL"), b"NO [UNKNOWN-CTE] NUL"),
    (errors.NoSuchMessage("it is gone"), b"NO [NONEXISTENT] it is gone"),
    (BadUrl(b"/a]\r\nb/;UID=1"), b"NO [BADURL /a???b/;UID=1] this URL leads to no message or part here"),
    (KeyError("secret"), b"NO [SERVERBUG] this is our fault, and stands in the log as 1a2b"),
    (errors.SchemaMismatch("owner", None, "0001"), b"NO [SERVERBUG] this is our fault, and stands in the log as 1a2b"),
]


@pytest.mark.parametrize(("error", "octets"), REPLIES, ids=lambda value: type(value).__name__)
def test_reply(error: Exception, octets: bytes) -> None:
    assert format_response(faults.reply(error, "1a2b"), b"a1") == b"a1 " + octets + b"\r\n"


def test_every_error_that_a_peer_may_cause_is_refused_in_words() -> None:
    def all_of(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(deep for each in kind.__subclasses__() for deep in all_of(each))]

    for kind in all_of(errors.Refused):
        given: object = {BadCharset: ("a",), BadUrl: b"/x"}.get(kind, "words")
        error = kind(given)
        assert faults.reply(error, "number").code != b"SERVERBUG"


@pytest.mark.parametrize(
    ("refused", "octets"),
    [
        (Refused(b"a1", "the literal is too long"), b"a1 BAD the literal is too long"),
        (Refused(b"a1", "the message is too big", too_big=True), b"a1 NO [TOOBIG] the message is too big"),
    ],
)
def test_refused(refused: Refused, octets: bytes) -> None:
    assert format_response(faults.refused(refused), refused.tag) == octets + b"\r\n"
