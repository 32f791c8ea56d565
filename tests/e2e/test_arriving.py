"""Mail from other servers at a real daemon: asked who it is from, shown to a filter, passed on under our seal; and our
own mail leaves signed by the keys that the command line has made."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from opostd.checks import arc, dkim, sign
from opostd.checks.canon import Body
from tests.checks.zones import NOW, Texts, message, published, rsa_key
from tests.e2e.faults import Wire, site_over, sqlite_in
from tests.e2e.mailbox import imap, subjects, submission, text_mail
from tests.e2e.test_leaving import _until_empty, smarthost
from tests.support import milters
from tests.worker.dns_server import Zone, serving

TABLES = """
[checks]
dmarc = "enforce"
dns_servers = ["127.0.0.1:{dns}"]
[filter]
milters = ["unix:{milter}"]
doors = ["smtp"]
[relay]
via = "smarthost"
smarthost = "127.0.0.1:{smarthost}"
tls = "off"
"""
OUTSIDE = "203.0.113.9"
KEY = rsa_key("a.example")


@contextlib.contextmanager
def dns(zone: Zone) -> Iterator[Zone]:
    """The zone, served by a thread."""
    loop, ended, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def main() -> None:
        async with serving(zone):
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert started.wait(60)
    try:
        yield zone
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()


def _letter(subject: str, to: str = "bob") -> bytes:
    """Signed by a.example."""
    raw = f"From: x@a.example\nTo: {to}@opost.example\nSubject: {subject}\n\ntext\n"
    letter = message(raw.encode())
    return letter.topped(sign.dkim(letter, Body(letter), [KEY], NOW)).octets


def _deliver(port: int, octets: bytes, to: str = "bob") -> str:
    with Wire(port) as wire:
        wire.say(f"PROXY TCP4 {OUTSIDE} 127.0.0.1 4711 25\r\nEHLO mx.a.example\r\n")
        while not wire.line().startswith("250 "):
            pass
        for command in ("MAIL FROM:<x@a.example>", f"RCPT TO:<{to}@opost.example>", "DATA"):
            wire.say(f"{command}\r\n")
            assert wire.line()[0] in "23"
        wire.say(octets.decode() + ".\r\n")
        return wire.line()


def test_arriving_and_passed_on(tmp_path: Path) -> None:
    zone = Zone({"a.example TXT": ['"v=spf1 -all"'], "_dmarc.a.example TXT": ['"v=DMARC1; p=reject"']})
    for name, records in published(KEY).items():
        zone.records[f"{name} TXT"] = [f'"{records[0].decode()[:200]}" "{records[0].decode()[200:]}"']
    milter, socket = milters.libmilter(tmp_path)
    try:
        with dns(zone), smarthost() as peer:
            tables = TABLES.format(dns=zone.place[1], milter=socket, smarthost=peer.port)
            more = '[smtp]\nproxy_from = ["127.0.0.1"]'
            with site_over(sqlite_in(tmp_path), tmp_path, more=more, tables=tables) as site:
                port = site.daemon.ports["smtp"]
                site.cli("alias", "add", "away@opost.example", "far@else.example")
                records = site.cli("dkim", "generate").splitlines()
                assert _deliver(port, _letter("good")).startswith("250 2.6.0")
                assert _deliver(port, _letter("forged").replace(b"text", b"tExt")).startswith("550 5.7.26")
                assert _deliver(port, _letter("reject")).startswith("550 5.7.1")
                assert _deliver(port, _letter("quarantine")).startswith("250 2.6.0")
                assert _deliver(port, _letter("on its way", "away"), "away").startswith("250 2.6.0")
                with submission(site, "anna") as client:
                    client.send_message(text_mail("anna", "bob", "ours", ".dot\n"), to_addrs=["far@else.example"])
                with imap(site, "bob") as client:
                    assert subjects(client) == ["good"]
                    _, data = client.fetch("1", "(BODY[HEADER.FIELDS (Authentication-Results)])")
                    assert b"dkim=pass header.d=a.example" in data[0][1]
                    assert b"spf=fail" in data[0][1]
                    assert b"dmarc=pass (p=reject) header.from=a.example" in data[0][1]
                    assert subjects(client, "Junk") == ["quarantine"]
                _until_empty(site)
    finally:
        milter.kill()
        milter.wait()
    texts = Texts(published(KEY))
    for line in records:
        texts.records[line.split(". IN TXT ")[0]] = ["".join(line.split('"')[1::2]).encode()]
    passed, ours = sorted((each.raw for each in peer.taken), key=lambda raw: b"Subject: ours" in raw)
    assert _results(ours, texts) == [("pass", "opost.example"), ("pass", "opost.example")]
    assert _results(passed, texts) == [("pass", "opost.example"), ("pass", "opost.example"), ("pass", "a.example")]
    chain = asyncio.run(arc.check(texts, message(passed), Body(message(passed)), NOW))
    assert (chain.result, [each.sealer for each in chain.sets]) == ("pass", ["opost.example"])
    assert b"dmarc=pass (p=reject) header.from=a.example" in chain.sets[0].results.value


def _results(raw: bytes, texts: Texts) -> list[tuple[str, str]]:
    letter = message(raw)
    return [(each.result, each.domain) for each in asyncio.run(dkim.check(texts, letter, Body(letter), NOW))]
