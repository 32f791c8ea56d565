"""A process that renders one text after the other, or cleans HTML, for ``pool``: source in, document out, by a socket.

``main`` is the program, with the socket as descriptor 0.  A frame is an octet, 1 for HTML and 0 for
Markdown, four octets of length and so many octets of UTF-8; the answer has no such first octet but RENDERED or FAILED,
and after FAILED nothing.  The first answer, READY, says that the libraries are loaded, so that the time of a text is
its own.

What must stay true: it ends when its parent does (end of file on the socket; a text under way has an alarm); nothing
of a message is ever printed; it holds no secret, opens nothing and has a limit of memory.
"""

import os
import re
import resource
import signal
import struct

HEAD = struct.Struct("!I")
REQUEST = struct.Struct("!?I")
READY, RENDERED, FAILED = b"+", b"=", b"!"
MAX_DOCUMENT_OCTETS = 4 * 1024 * 1024  # 64 times the longest source: more is a bomb, and would be carried for ever
ORPHAN_S = 1.0  # so long after its time a text outlives a parent that could not kill it


def render(source: str) -> str:
    """The whole HTML document of a Markdown text.  Pure.  Raises whatever the libraries raise."""
    from opostd.render.markdown import to_html
    from opostd.render.message import clean_text, document
    from opostd.render.sanitize import sanitize
    from opostd.render.style import inline

    return document(sanitize(inline(to_html(clean_text(source)))))


# What stands in the head of a document is no text of it; script and style the sanitizer knows
_NOT_SHOWN = re.compile(r"<(title|noscript|template|xmp|noembed)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)


def clean(html: str) -> str:
    """The HTML of a stranger, fragment or document, as a whole document with nothing harmful in it.  Pure."""
    from opostd.render.message import clean_text, document
    from opostd.render.sanitize import sanitize

    return document(sanitize(_NOT_SHOWN.sub("", clean_text(html))))


def main(memory_octets: int, timeout_s: float) -> None:
    """Serve until the socket ends.  memory_octets: of address space; timeout_s: the parent's, for one text."""
    # The parent's business: Ctrl+C and systemd's SIGTERM reach every process, and there may be texts to finish.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    render("# warm\n\n*up* `x`\n\n```python\nx = 1\n```\n")
    resource.setrlimit(
        resource.RLIMIT_AS, (memory_octets, memory_octets)
    )  # 37 MB of it are taken here, loaded and warm
    _write(READY)
    while (head := _read(REQUEST.size)) is not None:
        is_html, octets = REQUEST.unpack(head)
        source = _read(octets)
        if source is None:
            return
        signal.setitimer(signal.ITIMER_REAL, timeout_s + ORPHAN_S)  # unhandled: SIGALRM ends the process
        answer = _answer(source, is_html)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answer)


def _answer(source: bytes, is_html: bool) -> bytes:
    try:
        document = (clean if is_html else render)(source.decode()).encode()
    except MemoryError:
        os._exit(1)  # what is left in pieces would fail the next text too
    except Exception:
        return FAILED
    if len(document) > MAX_DOCUMENT_OCTETS:
        return FAILED
    return RENDERED + HEAD.pack(len(document)) + document


def _read(octets: int) -> bytes | None:
    """Exactly so many octets, or None when the parent is gone."""
    got = bytearray()
    while len(got) < octets:
        piece = os.read(0, octets - len(got))
        if not piece:
            return None
        got += piece
    return bytes(got)


def _write(octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(0, rest) :]
