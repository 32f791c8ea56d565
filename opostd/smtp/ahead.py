"""RCPT lines that have come already, behind the one that is answered now.

Pure.  RFC 2920 (PIPELINING).  What must stay true: this only looks; each line is read, checked and answered in its
turn all the same.
"""

import re

MOST = 100  # looked for at once: as many as a message must be able to have (RFC 5321 4.5.3.1.8)

# As nearly all are written.  Whatever is written otherwise is looked for in its turn.
_LINE = re.compile(rb"RCPT TO: ?<([^<>\"\\\s]{1,400})>[^\r\n]*\r\n", re.IGNORECASE)


def recipients(come: bytearray) -> list[str]:
    """The addresses of the lines at the beginning of what has come.  Never raises."""
    found: list[str] = []
    at = 0
    while len(found) < MOST and (line := _LINE.match(come, at)) is not None:
        at = line.end()
        try:
            found.append(line[1].decode())
        except UnicodeDecodeError:
            continue
    return found
