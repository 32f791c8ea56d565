"""Mail leaves by a real Postfix: STARTTLS with its certificate checked, a login, and what it takes is taken."""

import base64
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conftest import CONFIG, DOMAIN, Site
from tests.e2e.faults import sqlite_in, until
from tests.e2e.mailbox import submission, text_mail
from tests.e2e.postfix import running
from tests.e2e.smarthost import smarthost
from tests.support.daemon import start_daemon
from tests.worker.certificates import make

LOGIN = ("opost", "sécret")
MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = smart.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {certificate}
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_restrictions = permit_sasl_authenticated, reject
default_transport = smtp:[127.0.0.1]:{sink}
smtp_host_lookup = native
fast_flush_domains =
notify_classes =
"""
RELAY = """
[relay]
via = "smarthost"
smarthost = "localhost:{port}"
ca_file = "{authority}"
user = "{user}"
password_file = "{password}"
"""


@contextmanager
def passwords(path: Path) -> Iterator[None]:
    """What Postfix asks about a login, in Dovecot's protocol (auth-protocol 1.1), by a socket."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    path.chmod(0o666)

    def serve(client: socket.socket) -> None:
        with client, client.makefile("rwb") as lines:
            lines.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 + b"\nDONE\n")
            lines.flush()
            for line in lines:
                word, *fields = line.decode().rstrip("\n").split("\t")
                if word == "AUTH":
                    response = next(each[5:] for each in fields if each.startswith("resp="))
                    good = base64.b64decode(response).decode().split("\0") == ["", *LOGIN]
                    said = f"OK\t{fields[0]}\tuser={LOGIN[0]}" if good else f"FAIL\t{fields[0]}\tuser={LOGIN[0]}"
                    lines.write(said.encode() + b"\n")
                    lines.flush()

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # closed
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(60)


@contextmanager
def site(tmp_path: Path, port: int, authority: Path, password: str) -> Iterator[Site]:
    secret = tmp_path / "password"
    secret.write_text(password + "\n")
    settings = sqlite_in(tmp_path)
    relay = RELAY.format(port=port, authority=authority, user=LOGIN[0], password=secret)
    daemon = start_daemon(tmp_path, config_text=CONFIG.format(url=settings.url) + relay, migrate=False)
    try:
        found = Site(daemon.config, daemon, settings)
        found.add_user("anna")
        yield found
    finally:
        daemon.stop()


def test_by_a_login_under_tls(folder: Path, tmp_path: Path) -> None:
    authority = make(tmp_path, "authority")
    certificate = make(folder, "localhost", issuer=authority)
    with smarthost() as sink, passwords(folder / "auth"):
        main_cf = MAIN_CF.format(folder=folder, certificate=certificate.file, sink=sink.port)
        with running(folder, main_cf) as port, site(tmp_path, port, authority.file, LOGIN[1]) as here:
            with submission(here, "anna") as client:
                for number in range(20):
                    client.send_message(
                        text_mail("anna", "x", f"m{number}", "grüße"), to_addrs=["x@a.example", "y@b.example"]
                    )
            assert until(lambda: sum(len(each.recipients) for each in sink.taken) == 40, 30.0), (
                folder / "log"
            ).read_text()[-2000:]
            assert here.cli("queue", "list", "--json").strip() == "[]"
            log = (folder / "log").read_text()
    assert Counter(address for each in sink.taken for address in each.recipients) == {
        "x@a.example": 20,
        "y@b.example": 20,
    }
    assert {each.sender for each in sink.taken} == {f"anna@{DOMAIN}"}
    assert "sasl_method=PLAIN, sasl_username=opost" in log
    assert 0 < log.count(": connect from ") < 20  # a connection carries several


def test_a_wrong_password_gives_nothing_back(folder: Path, tmp_path: Path) -> None:
    authority = make(tmp_path, "authority")
    certificate = make(folder, "localhost", issuer=authority)
    with smarthost() as sink, passwords(folder / "auth"):
        main_cf = MAIN_CF.format(folder=folder, certificate=certificate.file, sink=sink.port)
        with running(folder, main_cf) as port, site(tmp_path, port, authority.file, "wrong") as here:
            with submission(here, "anna") as client:
                client.send_message(text_mail("anna", "x", "s", "text"), to_addrs=["x@a.example"])
            assert here.daemon.wait_for(r"away +destination=localhost .*refused our login", 30.0)
            assert until(lambda: "refused our login" in here.cli("queue", "list", "--json"), 10.0)
    assert sink.taken == []
