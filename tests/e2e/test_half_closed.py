"""A client that closes its side of the connection: what it has said before is done and answered (``printf ... | nc -N``)."""

import socket
from collections.abc import Callable

import pytest

from tests.e2e.conftest import PASSWORD, Person, Site
from tests.e2e.mailbox import imap, subjects

PATIENCE_S = 60.0
MESSAGE = b"Subject: by a script\r\n\r\ntext\r\n"
LOGIN = 'a LOGIN "%s" "%s"\r\n'


def _told(site: Site, door: str, octets: bytes) -> list[bytes]:
    """All that is answered to a client that says this, closes its side, and reads to the end."""
    with socket.create_connection(("127.0.0.1", site.daemon.ports[door]), PATIENCE_S) as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as lines:
            return lines.readlines()


@pytest.fixture
def talk(person: Person) -> Callable[[bytes], list[bytes]]:
    login = (LOGIN % (person.name, PASSWORD)).encode()
    return lambda octets: _told(person.site, "imap", login + octets)


def test_commands_that_came_before_are_done(person: Person, talk: Callable[[bytes], list[bytes]]) -> None:
    append = b"b APPEND INBOX {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE)
    told = talk(append * 3 + b"c SELECT INBOX\r\nd FETCH 1:* BODY.PEEK[]\r\ne LOGOUT\r\n")
    assert b"* 3 EXISTS\r\n" in told
    assert b"".join(told).count(MESSAGE) == 3
    assert told[-2].startswith(b"* BYE")
    assert told[-1].startswith(b"e OK")


ENDS = [
    (b"", b"a OK"),
    (b"b NOOP\r\n", b"b OK"),
    (b"b NOOP\r\nc NOO", b"b OK"),
    (b"b SELECT INBOX\r\nc IDLE\r\n", b"+ idling"),
    (b"b SELECT INBOX\r\nc IDLE\r\nDONE\r\n", b"c OK"),
    (b"b APPEND INBOX {30}\r\n", b"+ "),
    (b"b APPEND INBOX {30+}\r\nSubject: ha", b"a OK"),
    (b"b UNAUTHENTICATE\r\nc AUTHENTICATE PLAIN\r\n", b"+ "),
]


def test_where_it_waits_for_more_the_connection_ends(person: Person, talk: Callable[[bytes], list[bytes]]) -> None:
    """Half a message is none."""
    assert [talk(said)[-1].startswith(last) for said, last in ENDS] == [True] * len(ENDS)
    with imap(person.site, person.name) as client:
        assert subjects(client) == []


def test_smtp_does_the_same(person: Person) -> None:
    mail = b"EHLO x.example\r\nMAIL FROM:<x@x.example>\r\nRCPT TO:<%b>\r\nDATA\r\n%b.\r\nQUIT\r\n"
    told = _told(person.site, "smtp", mail % (person.address.encode(), MESSAGE))
    assert told[-1].startswith(b"221")
    with imap(person.site, person.name) as client:
        assert subjects(client) == ["by a script"]
