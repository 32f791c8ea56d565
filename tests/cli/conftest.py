"""The command line in this process: what it says and its exit status, over a configuration of the test's own."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from opostd import cli
from opostd.config import StoreSettings

DOMAIN = "opost.example"


@dataclass(frozen=True)
class Said:
    """status: of the process; out: results; err: talk."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def configuration(store_settings: StoreSettings, tmp_path: Path) -> Path:
    path = tmp_path / "opostd.toml"
    path.write_text(
        f'hostname = "mail.{DOMAIN}"\ndomains = ["{DOMAIN}"]\ndata_directory = "{tmp_path}"\n'
        f'[store]\nurl = "{store_settings.url}"\n[imap]\nlisten = ["127.0.0.1:0"]\n'
    )
    return path


@pytest.fixture
def opostd(configuration: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``opostd("user", "add", "anna", text="secret\\n")`` on the test's configuration."""

    def command(*arguments: str, text: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        status = cli.run(["--config", str(configuration), *arguments])
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return command
