"""Programs of mail servers against the running daemon: Postfix in front of it and behind its users, smtp-source, msmtp."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import CONFIG, DOMAIN, PASSWORD, Site, people
from tests.e2e.faults import sqlite_in, until
from tests.e2e.mailbox import imap, subjects, text_mail
from tests.e2e.postfix import run, running
from tests.support.daemon import start_daemon

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = front.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relay_domains = opost.example
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = may
smtp_host_lookup = native
fast_flush_domains =
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_password_maps = inline:{{ {{[127.0.0.1]:{submission}=anna:{password}}} }}
transport_maps = inline:{{
  {{anna@opost.example = lmtp:unix:{folder}/lmtp}}
  {{bob@opost.example = smtp:[127.0.0.1]:{smtp}}}
  {{root@opost.example = smtp:[127.0.0.1]:{submission}}} }}
"""


@pytest.fixture
def front(folder: Path, tmp_path: Path) -> Iterator[Site]:
    """A server whose LMTP is a socket that Postfix may open."""
    settings = sqlite_in(tmp_path)
    asyncio.run(people(settings))
    config = CONFIG.format(url=settings.url).replace(
        '"127.0.0.1:{lmtp}"]', f'"127.0.0.1:{{lmtp}}", "unix:{folder}/lmtp"]\nsocket_mode = "0666"'
    )
    daemon = start_daemon(tmp_path, config_text=config, migrate=False)
    try:
        site = Site(daemon.config, daemon, settings)
        # Keys for SCRAM, which Postfix takes where it is offered.
        site.cli("user", "password", f"anna@{DOMAIN}", "--password-stdin", text=PASSWORD + "\n")
        yield site
    finally:
        daemon.stop()


@contextmanager
def postfix(site: Site, folder: Path) -> Iterator[int]:
    """The port of a Postfix that hands all it gets to the site; stopped at the end."""
    with running(folder, MAIN_CF.format(folder=folder, password=PASSWORD, **site.daemon.ports)) as port:
        yield port


def test_postfix_hands_its_mail_over(front: Site, folder: Path) -> None:
    """By LMTP over the UNIX socket to anna, by SMTP to bob, by submission with a login of anna's to root."""
    with postfix(front, folder) as port:
        source = ("smtp-source", "-m", "20", "-s", "4")
        for sender, to in (("x@other.example", "anna"), ("x@other.example", "bob"), (f"anna@{DOMAIN}", "root")):
            headers = ("-F", str(_message(folder, to))) if to == "root" else ("-S", to, "-l", "5000")
            run(*source, *headers, "-f", sender, "-t", f"{to}@{DOMAIN}", f"127.0.0.1:{port}")
        boxes: dict[str, Counter[str]] = {}

        def all_there() -> bool:
            for user in ("anna", "bob", "root"):
                with imap(front, user) as client:
                    boxes[user] = Counter(subjects(client))
            return all(boxes[user] == {user: 20} for user in boxes)

        assert until(all_there, 30.0), (
            boxes,
            [each for each in (folder / "log").read_text().splitlines() if "deferred" in each][:3],
        )
        log = (folder / "log").read_text()
    assert log.count("status=sent") == 60
    assert "status=deferred" not in log
    assert "status=bounced" not in log


def _message(folder: Path, subject: str) -> Path:
    """What a user writes; submission looks at its From."""
    path = folder / "message"
    path.write_text(text_mail("anna", subject, subject, "text").as_string())
    return path


def test_smtp_source_on_every_door_that_asks_no_login(front: Site) -> None:
    ports = front.daemon.ports
    common = ("-m", "100", "-s", "10", "-l", "5000", "-f", "x@other.example", "-t", f"anna@{DOMAIN}")
    run("smtp-source", *common, "-S", "mx", f"127.0.0.1:{ports['smtp']}")
    run("smtp-source", "-L", *common, "-S", "lmtp", f"127.0.0.1:{ports['lmtp']}")
    run("smtp-source", "-d", *common, "-S", "kept-open", f"127.0.0.1:{ports['smtp']}")
    with imap(front, "anna") as client:
        assert Counter(subjects(client))["mx"] == 100
        assert len(subjects(client)) == 300


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_msmtp_submits(front: Site, tls: str) -> None:
    ports = front.daemon.ports
    port = ports["submission"] if tls == "starttls" else ports["submissions"]
    run(
        "msmtp", "--host=127.0.0.1", f"--port={port}", "--tls=on", f"--tls-starttls={'on' if tls == 'starttls' else 'off'}",
        "--tls-certcheck=off", "--auth=plain", "--user=anna", f"--passwordeval=echo {PASSWORD}",
        f"--from=anna@{DOMAIN}", f"bob@{DOMAIN}", text=text_mail("anna", "bob", "by msmtp", "text").as_string(),
    )  # fmt: skip
    with imap(front, "bob") as client:
        assert subjects(client) == ["by msmtp"]
