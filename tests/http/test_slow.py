"""Clients of the HTTP door that are slow, silent or many; and what is believed of a proxy."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network

import pytest

from opostd.http import door as doors
from opostd.http.connection import Connection
from opostd.http.door import HttpDoor
from opostd.http.front import Receive, Scope, Send, client_of
from opostd.http.timing import Timing

QUICK = Timing(head_s=0.2, keep_alive_s=5, shutdown_s=0.5)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with so many octets as came, times the number in the path."""
    octets = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        octets += len(message["body"])
        more = message["more_body"]
    body = b"x" * (octets * int(scope["path"][1:] or 1))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


Client = Callable[[HttpDoor, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def with_door(client: Client, timing: Timing = QUICK) -> None:
    async def run() -> None:
        door = HttpDoor(echo, timing)
        server = await asyncio.get_running_loop().create_server(door.factory, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            await client(door, reader, writer)
        writer.close()
        server.close()
        await door.shutdown()

    asyncio.run(run())


async def end_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


def test_who_says_nothing_is_cut() -> None:
    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await end_of(reader) == b""

    with_door(client)


def test_a_header_that_drips_is_cut() -> None:
    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.create_task(end_of(reader))
        for octet in b"GET / HTTP/1.1\r\nA: " + b"b" * 10000:
            writer.write(bytes([octet]))
            done, _ = await asyncio.wait([ended], timeout=0.01)
            if done:
                return
        raise AssertionError("still served")

    with_door(client)


def test_a_body_that_drips_is_cut_and_one_that_comes_is_not() -> None:
    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n")
        for _ in range(10):  # in longer than a window, and ten times as much as must come
            writer.write(b"x" * 3000)
            await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.15)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(30000)
        writer.write(b"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\nx")
        assert await end_of(reader) == b""

    with_door(client, Timing(body_window_s=1.0, body_octets=1000))


def test_who_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = asyncio.Event()
    lost = Connection.connection_lost

    def connection_lost(self: Connection, exc: Exception | None) -> None:
        lost(self, exc)
        cut.set()

    monkeypatch.setattr(Connection, "connection_lost", connection_lost)

    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /20000 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
        writer.transport.pause_reading()  # 20 MB go into no buffer of the system's
        await cut.wait()
        writer.transport.resume_reading()
        assert len(await end_of(reader)) < 20_000_000

    with_door(client, Timing(write_s=0.2))


def test_one_address_has_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_OF_ONE_PEER", 1)

    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        more_reader, more = await asyncio.open_connection(*writer.get_extra_info("peername"))
        more.write(GET)
        assert await end_of(more_reader) == b""
        more.close()
        writer.close()
        while door.connections:
            await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.01)
        again, another = await asyncio.open_connection(*writer.get_extra_info("peername"))
        another.write(GET)
        assert (await again.readline()).startswith(b"HTTP/1.1 200")
        another.close()

    with_door(client, Timing())


def test_a_proxy_has_as_many_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_OF_ONE_PEER", 1)
    for proxies, expected in (([], [True, False]), ([ip_network("10.0.0.0/8")], [True, True])):
        door = HttpDoor(echo, QUICK, proxies)
        assert [door.admit("10.0.0.1"), door.admit("10.0.0.1")] == expected
    door = HttpDoor(echo, QUICK)
    assert [door.admit(f"2001:db8::{at}") for at in range(2)] == [True, False]  # one customer has a /64
    door.leave("2001:db8::")
    door.leave("2001:db8::1")
    assert door.admit("2001:db8::7")


def test_a_client_that_speaks_no_http_does_not_keep_the_server_from_stopping() -> None:
    async def client(door: HttpDoor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n" * 3)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        async with asyncio.timeout(30):
            await door.shutdown()

    with_door(client, Timing(shutdown_s=1000.0))


PROXIES = [ip_network("10.0.0.0/8")]


@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        ("192.0.2.1", {}, ("192.0.2.1", False, False)),
        ("127.0.0.1", {}, ("127.0.0.1", False, True)),
        ("::ffff:127.0.0.1", {}, ("::ffff:127.0.0.1", False, True)),
        ("192.0.2.1", {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"}, ("192.0.2.1", False, False)),
        ("10.0.0.1", {}, ("10.0.0.1", False, False)),
        ("10.0.0.1", {"x-forwarded-for": "127.0.0.1"}, ("127.0.0.1", False, False)),
        ("10.0.0.1", {"x-forwarded-for": "1.1.1.1, 192.0.2.7, 10.0.0.2"}, ("192.0.2.7", False, False)),
        ("10.0.0.1", {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "HTTPS"}, ("192.0.2.7", True, False)),
        ("10.0.0.1", {"x-forwarded-for": "nonsense"}, ("nonsense", False, False)),
        ("10.0.0.1", {"x-forwarded-for": ""}, ("10.0.0.1", False, False)),
    ],
)
def test_what_a_proxy_says(peer: str, fields: dict[str, str], expected: tuple[str, bool, bool]) -> None:
    scope = {
        "client": (peer, 1), "scheme": "http", "headers": [(key.encode(), value.encode()) for key, value in fields.items()]
    }  # fmt: skip
    found = client_of(scope, PROXIES)
    assert (found.peer, found.secure, found.local) == expected


def test_what_a_proxy_calls_this_server() -> None:
    fields = [(b"host", b"10.0.0.9:8080"), (b"x-forwarded-host", b"Mail.example.org")]
    for peer, expected in (("10.0.0.1", "mail.example.org"), ("192.0.2.1", "10.0.0.9:8080")):
        assert client_of({"client": (peer, 1), "scheme": "http", "headers": fields}, PROXIES).host == expected
