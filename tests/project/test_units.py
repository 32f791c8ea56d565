"""The systemd units: correct, and as closed as promised (security.md 3: exposure 1.5 at most)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

UNITS = Path(__file__).parents[2] / "systemd"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is needed: apt-get install systemd"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)


def test_the_units_are_correct(tmp_path: Path) -> None:
    text = (UNITS / "opostd.service").read_text()
    here = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text)
    assert here != text
    (tmp_path / "opostd.service").write_text(here)
    shutil.copy(UNITS / "opostd.socket", tmp_path)
    done = analyze("verify", str(tmp_path / "opostd.service"), str(tmp_path / "opostd.socket"))
    complaints = [line for line in done.stderr.splitlines() if "opostd" in line]
    assert complaints == []


def test_the_service_is_closed() -> None:
    done = analyze("security", "--offline=true", str(UNITS / "opostd.service"))
    found = re.search(r"Overall exposure level for opostd\.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 1.5
