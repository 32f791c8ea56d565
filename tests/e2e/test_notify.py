"""NOTIFY on a real daemon, over TLS and compressed: mail that comes is pushed, a killed client is forgotten (RFC 5465)."""

import imaplib
import socket
import zlib

from tests.e2e.conftest import PASSWORD, Site
from tests.e2e.mailbox import imap, submission, text_mail, unverified

WANTED = (
    b"n NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (subject)]) MessageExpunge FlagChange))"
    b" (personal (MessageNew MessageExpunge MailboxName))\r\n"
)


class Listener:
    """One client, line by line: what is pushed comes without a command."""

    def __init__(self, site: Site, user: str, *, compressed: bool) -> None:
        plain = socket.create_connection(("127.0.0.1", site.daemon.ports["imaps"]), timeout=30)
        self._socket = unverified().wrap_socket(plain, server_hostname="localhost")
        self._inflate: zlib._Decompress | None = None
        self._deflate: zlib._Compress | None = None
        self._buffer = b""
        assert self.line().startswith(b"* OK")
        self.ask(b"a LOGIN %b %b\r\n" % (user.encode(), PASSWORD.encode()), b"a OK")
        if compressed:
            self.ask(b"b COMPRESS DEFLATE\r\n", b"b OK")
            self._inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
            self._deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    def ask(self, command: bytes, end: bytes) -> list[bytes]:
        if self._deflate is not None:
            command = self._deflate.compress(command) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._socket.sendall(command)
        return self.until(end)

    def line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            octets = self._socket.recv(65536)
            assert octets, "closed"
            self._buffer += octets if self._inflate is None else self._inflate.decompress(octets)
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def until(self, start: bytes) -> list[bytes]:
        lines = [self.line()]
        while not lines[-1].startswith(start):
            lines.append(self.line())
        return lines

    def close(self) -> None:
        self._socket.close()

    def vanish(self) -> None:
        """As a killed program: no close of TLS, no LOGOUT."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        socket.socket.close(self._socket)


def test_mail_is_pushed(site: Site) -> None:
    plain, compressed, gone = (Listener(site, "bob", compressed=each) for each in (False, True, False))
    for each in (plain, compressed, gone):
        each.ask(b"s SELECT INBOX\r\n", b"s OK")
        each.ask(WANTED, b"n OK")
    gone.vanish()
    with submission(site, "anna") as sender:
        sender.send_message(text_mail("anna", "bob", "pushed", "x"))
    for each in (plain, compressed):
        assert each.until(b"* 1 FETCH (UID 1 BODY")[-2:-1] in ([b"* 1 EXISTS"], [])
        assert each.line() == b"Subject: pushed"
        each.until(b")")
    with imap(site, "bob") as other:
        other.create("Lists/new")
        other.select("INBOX")
        other.store("1", "+FLAGS", "\\Seen")
        other.copy("1", "Archive")
    for each in (plain, compressed):
        assert each.until(b'* LIST (\\HasNoChildren) "/" Lists/new')
        seen = {bytes(line.split(b" UIDVALIDITY")[0]) for line in each.ask(b"x NOOP\r\n", b"x OK")}
        wanted = {b"* 1 FETCH (UID 1 FLAGS (\\Seen))", b"* STATUS Archive (MESSAGES 1 UIDNEXT 2"}
        while not wanted <= seen:
            seen.add(bytes(each.line().split(b" UIDVALIDITY")[0]))
        each.close()
    with imaplib.IMAP4("127.0.0.1", site.daemon.ports["imap"], timeout=30) as again:
        assert again.noop()[0] == "OK"
