"""``opostd config``, and starts that cannot be: every mistake at once, with file, line, key and what would be right."""

import json
import socket
import sqlite3
from pathlib import Path

import pytest

from opostd.cli import run
from opostd.config import StoreSettings
from tests.support.daemon import home_environ, run_cli

MISTAKES = """\
hostname = "mail.opost.example"
domains = ["opost.example"]

[imap]
listen = "143"

[submission]
max_szie = 5
markdown = "yes"

[tls]
certificate = "/nowhere/tls.pem"
key = "/nowhere/tls.key"
"""


def test_every_mistake_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "opostd.toml"
    path.write_text(MISTAKES)
    assert run(["--config", str(path), "config", "check"]) == 78
    said = capsys.readouterr()
    lines = said.out.splitlines()
    for wanted in (
        f'{path}:5: imap.listen: expected a list such as ["143"], got "143"',
        f"{path}:8: submission.max_szie: unknown key.",
        f'{path}:9: submission.markdown: expected one of "plain", "marked", "off", got "yes"',
    ):
        assert any(line.startswith(wanted) for line in lines), said.out
    assert any(line.startswith(f"{path}:12: tls.certificate: cannot read") for line in lines)
    assert said.err.strip() == f"{len(lines)} problems; nothing was started."


def test_the_defaults_are_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "show", "--defaults"]) == 0
    path = tmp_path / "opostd.toml"
    path.write_text(capsys.readouterr().out)
    assert run(["--config", str(path), "config", "check"]) == 0
    capsys.readouterr()
    assert run(["--config", str(path), "config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["submission"]["markdown"] == "plain"


def serve(tmp_path: Path, text: str) -> tuple[int, str]:
    config = tmp_path / "opostd.toml"
    config.write_text(f'domains = ["opost.example"]\ndata_directory = "{tmp_path}"\n{text}')
    done = run_cli("serve", environ=home_environ(tmp_path), config=config)
    return done.returncode, done.stdout + done.stderr


def test_a_port_in_use_is_told_with_who_has_it(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, said = serve(
            tmp_path, f'[store]\nurl = "{sqlite_settings.url}"\n[imap]\nlisten = ["127.0.0.1:{port}"]\n'
        )
    assert status == 69
    assert f"port {port} is taken by pid " in said
    assert "--port-offset" in said


def test_a_database_that_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = f"postgresql+psycopg://opostd@127.0.0.1:{port}/opostd"
    status, said = serve(
        tmp_path, f'[store]\nurl = "{url}"\nretry_deadline_s = 0.5\n[imap]\nlisten = ["127.0.0.1:0"]\n'
    )
    assert status == 69
    assert "database" in said
    assert "Traceback" not in said


def test_a_database_without_tables_and_one_that_is_newer(sqlite_settings: StoreSettings, tmp_path: Path) -> None:
    imap = '[imap]\nlisten = ["127.0.0.1:0"]\n'
    status, said = serve(tmp_path, f'[store]\nurl = "sqlite:///{tmp_path}/empty.db"\n{imap}')
    assert status == 78
    assert "migrate up" in said
    with sqlite3.connect(sqlite_settings.url.removeprefix("sqlite:///")) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'schema_%'").fetchall():
            connection.execute(f"UPDATE {table} SET version_num = '9999'")
    connection.close()
    status, said = serve(tmp_path, f'[store]\nurl = "{sqlite_settings.url}"\n{imap}')
    assert status == 78
    assert "9999" in said
    assert "newer" in said


def test_capabilities_come_from_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["capabilities", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {("IMAP", "IMAP4rev1"), ("IMAP", "IDLE"), ("SMTP", "PIPELINING")} <= {
        (row["door"], row["extension"]) for row in rows
    }
    assert all(row["rfc"] for row in rows)
    assert run(["capabilities"]) == 0
    assert "RFC 2177" in capsys.readouterr().out
