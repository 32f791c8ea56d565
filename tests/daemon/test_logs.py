"""Log lines: one event, one line, whatever is in it."""

import io
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.daemon.logs import LineFormatter, facts, safe


def line(message: str, *args: object, journal: bool = False, level: int = logging.INFO) -> str:
    record = logging.LogRecord("opostd.smtp.server", level, "", 0, message, args, None)
    record.created = 1_700_000_000.0
    return LineFormatter(journal=journal).format(record)


def test_a_line_for_people() -> None:
    text = line("accepted from=%s size=%d", "test@localhost", 412)
    assert text[2] == ":" and text[8:] == " smtp  accepted   from=test@localhost size=412"  # noqa: PT018
    assert line("cut off", level=logging.WARNING)[8:] == " smtp  warning: cut off"


@pytest.mark.parametrize(("level", "priority"), [(logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (50, 2)])
def test_a_line_for_the_journal(level: int, priority: int) -> None:
    assert line("accepted size=%d", 1, journal=True, level=level) == f"<{priority}>smtp accepted size=1"


@given(st.text())
def test_no_text_begins_another_line_or_turns_it(text: str) -> None:
    for found in (safe(text), line("x %s", text), line("x %s", text, journal=True)):
        assert len(found.splitlines()) <= 1
        assert not set(found) & set("\x1b\x9b\u202e\u2066\x00\x7f")
        found.encode()


def test_a_traceback_is_marked_line_by_line() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(journal=True))
    logger = logging.Logger("opostd.imap")
    logger.addHandler(handler)
    try:
        raise ValueError("a\n<0>forged")
    except ValueError:
        logger.exception("broken %r", "\n<0>x")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3
    assert all(each.startswith("<3>imap ") for each in lines)


def test_a_wrong_format_string_loses_no_line() -> None:
    assert "x %d" in line("x %d", "y")


def test_structlog_and_logging_come_out_alike() -> None:
    assert facts({"event": "accepted", "from_": "a@b", "name": "Anna B", "n": 3}) == (
        'accepted from=a@b name="Anna B" n=3'
    )
    script = (
        "import logging, structlog; from opostd.daemon import logs; logs.start(journal=True)\n"
        "structlog.get_logger('opostd.smtp').info('accepted', from_='50%s', size=3)\n"
        "logging.getLogger('opostd.smtp').info('accepted from=%s size=%d', '50%s', 3)\n"
        "logging.getLogger('opostd.smtp').debug('not shown')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "<6>smtp accepted from=50%s size=3\n" * 2
