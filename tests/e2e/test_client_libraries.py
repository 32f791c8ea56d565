"""Python's IMAP libraries over TLS: IMAPClient, aioimaplib, and Twisted's client on the reactor.  Nothing is refused."""

import asyncio
import io
import ssl
from datetime import UTC, datetime
from typing import Any

import aioimaplib
import imapclient
import pytest_twisted
from twisted.internet import defer, endpoints, protocol, reactor
from twisted.internet import ssl as twisted_ssl
from twisted.mail import imap4

from tests.e2e.conftest import PASSWORD, Person
from tests.e2e.test_mail_programs import MESSAGE, put

DATE = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def raw(name: str) -> bytes:
    return MESSAGE.format(name).encode()


def connect(person: Person) -> imapclient.IMAPClient:
    context = ssl.create_default_context(cafile=str(person.certificate))
    client = imapclient.IMAPClient("localhost", port=person.imaps, ssl_context=context, timeout=30)
    client.login(person.address, PASSWORD)
    return client


def test_imapclient(person: Person) -> None:
    with connect(person) as client:
        assert client.id_({"name": "test"})[0] == (b"name", b"opostd")
        assert [(ns[0], ns[1]) for ns in client.namespace().personal] == [("", "/")]
        assert client.find_special_folder(imapclient.imapclient.SENT) == "Sent"
        client.create_folder("Größe & Maß/2026")
        client.subscribe_folder("Größe & Maß/2026")
        assert ((b"\\HasNoChildren",), b"/", "Größe & Maß/2026") in client.list_folders()
        client.rename_folder("Größe & Maß/2026", "Maß")
        assert client.folder_exists("Maß")
        for name in ("one", "two", "three"):
            said = client.append("INBOX", raw(name), flags=[b"\\Seen", b"$Work"], msg_time=DATE)
            assert b"APPENDUID" in said
        client.multiappend("Maß", [raw("four"), {"msg": raw("five"), "flags": [b"\\Flagged"], "date": DATE}])
        assert client.folder_status("Maß", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 2, b"UNSEEN": 2}
        selected = client.select_folder("INBOX")
        assert (selected[b"EXISTS"], selected[b"UIDNEXT"]) == (3, 4)
        assert client.search(["SUBJECT", "two"]) == [2]
        assert client.search(["NOT", "SUBJECT", "ü"], charset="UTF-8") == [1, 2, 3]
        assert client.sort("REVERSE SUBJECT") == [2, 3, 1]
        assert client.thread() == ((1,), (2,), (3,))
        found = client.fetch(
            [1, 3], ["ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODYSTRUCTURE", "BODY.PEEK[]"]
        )
        assert found[3][b"ENVELOPE"].subject == b"three"
        assert found[3][b"ENVELOPE"].from_[0].mailbox == b"a"
        assert found[1][b"INTERNALDATE"].astimezone(UTC) == DATE
        assert found[1][b"BODY[]"] == raw("one")
        assert found[1][b"BODYSTRUCTURE"].is_multipart is False
        assert found[1][b"FLAGS"] == (b"\\Seen", b"$Work")
        assert client.fetch([2], ["MODSEQ"])[2][b"MODSEQ"]
        assert client.add_flags([1], imapclient.FLAGGED) == {1: (b"\\Flagged", b"\\Seen", b"$Work")}
        assert client.remove_flags([1], [b"\\Seen", b"$Work"]) == {1: (b"\\Flagged",)}
        assert client.set_flags([2], [b"\\Answered"], silent=True) is None
        client.copy([1], "Maß")
        client.move([2], "Maß")
        client.delete_messages([3])
        client.uid_expunge([3])
        assert client.search() == [1]
        client.unselect_folder()
        client.select_folder("Maß", readonly=True)
        assert client.search("FLAGGED") == [2, 3]
        client.close_folder()
        client.delete_folder("Maß")


def test_imapclient_in_idle_hears_another(person: Person) -> None:
    with connect(person) as client, connect(person) as other:
        client.select_folder("INBOX")
        client.idle()
        other.append("INBOX", raw("news"))
        assert (1, b"EXISTS") in client.idle_check(timeout=60)
        other.select_folder("INBOX")
        other.add_flags([1], imapclient.SEEN)
        assert (1, b"FETCH", (b"UID", 1, b"FLAGS", (b"\\Seen",))) in client.idle_check(timeout=60)
        other.delete_messages([1])
        client.idle_check(timeout=60)
        other.expunge()
        told = []
        while (1, b"EXPUNGE") not in told:
            more = client.idle_check(timeout=60)
            assert more, told
            told += more
        assert client.idle_done()[0] == b"IDLE completed"


def test_aioimaplib(person: Person) -> None:
    async def main() -> None:
        context = ssl.create_default_context(cafile=str(person.certificate))
        client = aioimaplib.IMAP4_SSL("localhost", person.imaps, timeout=30, ssl_context=context)
        await client.wait_hello_from_server()
        assert (await client.login(person.address, PASSWORD)).result == "OK"
        for capability in ("IDLE", "UIDPLUS", "MOVE", "ENABLE"):
            assert client.has_capability(capability)
        assert (await client.enable("CONDSTORE")).result == "OK"
        assert (await client.create("Work")).result == "OK"
        assert (await client.append(raw("one"), "INBOX", "\\Seen", DATE)).result == "OK"
        assert (await client.append(raw("two"), "INBOX")).result == "OK"
        assert b"2 EXISTS" in (await client.select()).lines
        assert (await client.search("UNSEEN")).lines[0] == b"2"
        fetched = await client.uid("fetch", "2", "(FLAGS BODY.PEEK[])")
        assert fetched.lines[1] == raw("two")
        assert (await client.store("1", "+FLAGS", "(\\Flagged)")).result == "OK"
        assert (await client.uid("move", "1", "Work")).result == "OK"
        assert (await client.status("Work", "(MESSAGES)")).lines[0] == b"Work (MESSAGES 1)"
        idle = await client.idle_start(timeout=60)
        await asyncio.to_thread(put, person, "INBOX", "three")
        assert b"2 EXISTS" in await client.wait_server_push(20)
        client.idle_done()
        assert (await asyncio.wait_for(idle, 60)).result == "OK"
        await client.logout()

    asyncio.run(main())


class Connected(protocol.Factory):
    noisy = False

    def buildProtocol(self, addr: Any) -> imap4.IMAP4Client:
        return Listening()


class Listening(imap4.IMAP4Client):
    """Twisted's client, keeping what it is told; ``gone`` fires when the connection is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []
        self.gone: defer.Deferred[None] = defer.Deferred()

    def newMessages(self, exists: int | None, recent: int | None) -> None:
        self.told.append((exists, recent))

    def flagsChanged(self, newFlags: dict[int, list[str]]) -> None:
        self.told.append((newFlags,))

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.gone.callback(None)


@pytest_twisted.ensureDeferred
async def test_twisted(person: Person) -> None:
    trust = twisted_ssl.Certificate.loadPEM(person.certificate.read_bytes())
    options = twisted_ssl.optionsForClientTLS("localhost", trustRoot=trust)
    endpoint = endpoints.wrapClientTLS(options, endpoints.HostnameEndpoint(reactor, "localhost", person.imaps))
    client = await endpoint.connect(Connected())
    client.registerAuthenticator(imap4.PLAINAuthenticator(person.address.encode()))
    await client.authenticate(PASSWORD.encode())
    personal, _, _ = await client.namespace()
    assert personal == [["", "/"]]
    await client.create("Work/Ä")
    await client.subscribe("Work/Ä")
    names = {name for _, _, name in await client.list("", "*")}
    assert {"INBOX", "Sent", "Work", "Work/Ä"} <= names
    await client.rename("Work/Ä", "Work/Ö")
    for name in ("one", "two", "three"):
        await client.append(
            "INBOX", _file(raw(name)), ("\\Seen",) if name == "one" else (), "02-Jan-2024 03:04:05 +0000"
        )
    assert await client.status("INBOX", "MESSAGES", "UNSEEN") == {"MESSAGES": 3, "UNSEEN": 2}
    selected = await client.select("INBOX")
    assert (selected["EXISTS"], selected["READ-WRITE"]) == (3, True)
    assert await client.search(imap4.Query(subject="two"), uid=True) == [2]
    assert (await client.fetchFlags("1:*"))[1]["FLAGS"] == ["\\Seen"]
    assert (await client.fetchSize("1"))[1]["RFC822.SIZE"] == str(len(raw("one")))
    assert (await client.fetchInternalDate("1"))[1]["INTERNALDATE"] == " 2-Jan-2024 03:04:05 +0000"
    assert (await client.fetchEnvelope("2"))[2]["ENVELOPE"][1] == "two"
    assert (await client.fetchBodyStructure("2"))[2]["BODYSTRUCTURE"][:2] == ["text", "plain"]
    assert (await client.fetchUID("1:*"))[3]["UID"] == "3"
    whole = await client.fetchSpecific("2", headerType="", peek=True)
    assert whole[2][0][-1].encode() == raw("two")
    await client.addFlags("2", ("\\Flagged", "$Work"))
    await client.removeFlags("1", ("\\Seen",))
    assert {tuple(each["FLAGS"]) for each in (await client.fetchFlags("1,2")).values()} == {("\\Flagged", "$Work"), ()}
    await client.copy("2", "Work/Ö", uid=True)
    await client.addFlags("2", ("\\Deleted",))
    assert await client.expunge() == [2]
    examined = await client.examine("Work/Ö")
    assert (examined["EXISTS"], examined["READ-WRITE"]) == (1, False)
    await client.close()
    await client.delete("Work/Ö")
    await client.noop()
    await client.logout()
    await client.gone


def _file(octets: bytes) -> Any:
    return io.BytesIO(octets)
