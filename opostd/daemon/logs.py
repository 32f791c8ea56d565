"""Log lines: for people ``20:13:02 smtp  accepted   from=...``, under systemd ``<6>smtp accepted from=...``.

Rooms log by ``logging.getLogger("opostd.ROOM")`` or by structlog under the same name; both come out here.  What must
stay true: one event is one line, and nothing a peer sent can begin another (control characters are escaped, the lines
of a traceback are marked).  Message text and passwords are never logged by anybody.
"""

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog

# sd-daemon(3): the journal takes the level from the front of the line.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))

# C0, DEL, C1, the Unicode line ends, and the marks that turn the direction of what follows.
_UNSAFE = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x200E, 0x2010), *range(0x202A, 0x202F)]
_ESCAPES = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in (*_UNSAFE, *range(0x2066, 0x206A))}


def safe(text: str) -> str:
    """The text on one line, with nothing in it that a terminal or a log reader would obey."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()


class LineFormatter(logging.Formatter):
    """One record as one line (and marked lines of a traceback).  journal: priorities in place of times and columns."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        room = _room(record.name)
        text = safe(_message(record))
        if self._journal:
            priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
            head, more = f"<{priority}>{room} ", f"<{priority}>{room} | "
        else:
            clock = _clock(int(record.created))
            level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
            head, more = f"{clock} {room:<5} {level}", f"{clock} {room:<5} | "
            event, space, rest = text.partition(" ")
            if "=" in rest.partition(" ")[0]:  # an event with facts: the facts stand in a column
                text = f"{event:<10}{space}{rest}"
        lines = [head + text]
        if record.exc_info:
            lines += [more + safe(line) for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(lines)


@lru_cache(4)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


@lru_cache(256)
def _room(name: str) -> str:
    """`opostd.smtp.server` -> `smtp`; of others the package's name."""
    parts = name.split(".")
    return parts[1] if parts[0] == "opostd" and len(parts) > 1 else parts[0]


def _message(record: logging.LogRecord) -> str:
    if isinstance(record.msg, Mapping):  # from structlog, before rendering
        return facts(record.msg)
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format string is our bug, and no reason to lose the line
        return f"{record.msg!r} args={record.args!r} ({error!r})"


def facts(event: Mapping[str, Any]) -> str:
    """``{"event": "accepted", "from_": "a", "size": 4}`` -> ``accepted from=a size=4``."""
    words = [str(event.get("event", ""))]
    words += [f"{key.rstrip('_')}={_value(value)}" for key, value in event.items() if key != "event"]
    return " ".join(words)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return f'"{text}"' if " " in text or not text else text


def _to_stdlib(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    error = event.pop("exc_info", None)
    return (facts(event),), {"exc_info": error}


def start(stream: TextIO | None = None, *, journal: bool, level: int = logging.INFO) -> None:
    """Send every record of this process to the stream (stderr)."""
    # No line says from where in the code it comes, so nobody looks for it ("Optimization" in Python's logging HOWTO).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(journal=journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # of libraries only what is wrong
    logging.getLogger("opostd").setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _to_stdlib],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def bridge_twisted() -> None:
    """Twisted's own log, unhandled errors of Deferreds included, goes the same way.  After the reactor is installed."""
    from twisted.logger import STDLibLogObserver, globalLogBeginner

    globalLogBeginner.beginLoggingTo([STDLibLogObserver("twisted")], redirectStandardIO=False, discardBuffer=True)
