"""What is fuzzed: each takes octets and may answer with the errors that say no, and with no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opostd.imap.format.sort import format_thread
from opostd.imap.limits import AFTER_LOGIN, BEFORE_LOGIN, frame_limits
from opostd.imap.state.threads import Threaded, by_references, by_subject
from opostd.imap.values.responses import ThreadData
from opostd.imap.wire import mutf7
from opostd.imap.wire.cursor import command as read_command
from opostd.imap.wire.framing import Frame, Framer, NeedLiteral, Refused
from opostd.mime.facts import new_post
from opostd.mime.scan import scan, unpack
from opostd.mime.section import SectionName, header_fields, span
from opostd.mime.subject import base_subject
from opostd.mime.text import preview
from opostd.model import errors
from opostd.model.ids import PostId
from tests.fuzz import checks
from tests.imap.octets import LIMITS, everything
from tests.imap.parse.test_any import PARSERS, WORDS, outcome

CORPUS = Path(__file__).parent.parent / "mime" / "corpus"
ID = PostId(bytes(16))
MAX_COMMANDS = 20  # of one input that are given to the parsers
MIME_WORDS = [
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b"--",
        b"boundary=b",
        b'boundary="',
        b";",
        b":",
        b",",
        b"<",
    ),
    *(
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/html",
    ),
    *(b"Content-Transfer-Encoding: base64\r\n", b"Content-Disposition: attachment; filename*0*=utf-8''%41", b"(", b")"),
    *(
        b"=?utf-8?q?=C3=BC?=",
        b"=?utf-7?b?K1MC?=",
        b"charset=iso-2022-jp",
        b"\x1b$B",
        b"\0",
        b"\xff",
        b"\xc3",
        b"=",
        b'"',
    ),
    *(
        b"Subject: Re: [x] ",
        b"From: a@b, ",
        b"To: g: ;",
        b"References: <a@b> ",
        b"Date: 31 Dec 2000",
        b"<!--",
        b"&#x10ffff;",
    ),
]
COMMANDS = [
    *(
        b"a1 ",
        b"SEARCH RETURN (PARTIAL -1:-9 SAVE) ",
        b"UID FETCH 1:* (FLAGS) (",
        b"CHANGEDSINCE 1 VANISHED)",
        b"APPEND x ",
    ),
    *(
        b"{3}\r\n",
        b"{3+}\r\nabc",
        b"~{2}\r\n\0\0",
        b"SORT (REVERSE DATE) UTF-8 ",
        b'LIST (SUBSCRIBED) "" ',
        b"\r\n",
        b"UID ",
    ),
    *(
        b"STORE 1 (UNCHANGEDSINCE 1) +FLAGS ",
        b"SELECT x (QRESYNC (1 2 3:4 (5 6)))",
        b"AUTHENTICATE PLAIN =",
        b"{99999999999}",
    ),
]


@dataclass(frozen=True)
class Target:
    """words: pieces that inputs are made of, besides the seeds."""

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def frame(octets: bytes) -> None:
    """Whatever comes, in whatever pieces; each command is read as far as its name."""
    for limits in (BEFORE_LOGIN, AFTER_LOGIN):
        framer = Framer(frame_limits(limits, 10_000))
        step = max(1, len(octets) // 7)
        for at in range(0, len(octets), step):
            framer.feed(octets[at : at + step])
            while (thing := framer.next()) is not None:
                if isinstance(thing, Refused) and thing.fatal:
                    return
                if isinstance(thing, Frame):
                    _named(thing)
                assert isinstance(thing, Frame | NeedLiteral | Refused)


def _named(found: Frame) -> None:
    _inside(outcome(lambda _: read_command(found), found), found)


def _inside(answer: object, found: Frame) -> None:
    """The place of a mistake is one in the command."""
    if isinstance(answer, errors.BadSyntax):
        assert 0 <= answer.offset <= len(found.text)


def parse(octets: bytes) -> None:
    """Every parser on the same commands, of which there are few: each takes all parsers."""
    framer = Framer(LIMITS)
    framer.feed(octets + b"\r\n")
    for found in everything(framer)[:MAX_COMMANDS]:
        if isinstance(found, Frame):
            for parser in PARSERS:
                _inside(outcome(parser, found), found)


def names(octets: bytes) -> None:
    """What is a name comes back as the octets it was."""
    try:
        name = mutf7.decode(octets)
    except mutf7.BadMailboxName:
        return
    assert mutf7.decode(mutf7.encode(name)) == name


def message(octets: bytes) -> None:
    """A message is taken whatever it is; what is kept of it can be kept; every section lies within it."""
    post = new_post(octets, id=ID, now=0)
    for text in (post.text, post.facts.subject, post.facts.sender, post.sought.head, post.sought.references):
        text.encode()
    tree = scan(octets)
    preview(octets, tree)
    for path in ((), (1,), (2,), (1, 1), (1, 2, 1)):
        for name in SectionName:
            where = span(len(octets), unpack(post.facts.parts), path, name)
            assert where is None or 0 <= where[0] <= where[1] <= len(octets)
    header_fields(post.facts.header, frozenset({b"subject", b"from"}), False)


def subjects(octets: bytes) -> None:
    base, _ = base_subject(octets.decode("latin-1"))
    assert base_subject(base).text == base


def threads(octets: bytes) -> None:
    """Four octets a message: its id, two references, its subject and date."""
    rows = [octets[at : at + 4] for at in range(0, min(len(octets), 8000) - 3, 4)]
    messages = [
        Threaded(number, d >> 3, "abc"[d % 3], bool(d & 4), f"{a}" if a else "", (f"{b}", f"{c}"))
        for number, (a, b, c, d) in enumerate(rows, 1)
    ]
    for make in (by_subject, by_references):
        shown = format_thread(ThreadData(make(messages))).decode().removeprefix("* THREAD")
        assert sorted(map(int, shown.replace("(", " ").replace(")", " ").split())) == list(range(1, len(rows) + 1))


SIGNED_WORDS = [
    *(b"DKIM-Signature: ", b"ARC-Seal: ", b"ARC-Message-Signature: ", b"ARC-Authentication-Results: ", b"From: "),
    *(b"v=1; ", b"i=1; ", b"i=2; ", b"a=rsa-sha256; ", b"d=a.example; ", b"s=r; ", b"s=e; ", b"h=from:", b"cv=pass; "),
    *(
        b"bh=",
        b"b=",
        b"AAAA",
        b"c=simple/relaxed; ",
        b"l=1; ",
        b"x=1; ",
        b"; dmarc=pass",
        b"\r\n ",
        b"\r\n",
        b'"',
        b"(",
        b")",
    ),
    *(b"p=reject; ", b"k=ed25519; ", b"t=y:s; ", b"\xff", b"=", b";"),
]
SPF_WORDS = [
    *(
        b" a",
        b" mx",
        b" ptr",
        b":",
        b" include:",
        b" exists:",
        b" redirect=",
        b" ip4:",
        b" ip6:",
        b"/24",
        b"//64",
        b"%{",
    ),
    *(
        b"}",
        b"%",
        b"i",
        b"p",
        b"r",
        b"1",
        b"9" * 30,
        b".",
        b"-",
        b"+",
        b"~all",
        b"a.example",
        b"192.0.2.0",
        b"::1",
        b"\xff",
    ),
]
FILTER_WORDS = [
    *(
        b"|",
        b"\0",
        b"\0\0\0\1",
        b"\xff\xff\xff\xff",
        b"h",
        b"i",
        b"m",
        b"b",
        b"q",
        b"y",
        b"r",
        b"t",
        b"d",
        b"From",
        b"X-A",
    ),
    *(b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"550 ", b"421 4.7.0 ", b"%%", b"\xff"),
]
MAILS = [path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))]
TARGETS = (
    Target("frame", frame, [b"".join(COMMANDS)], [*COMMANDS, *WORDS]),
    Target("parse", parse, [b" ".join(WORDS[-20:])], [*WORDS, *COMMANDS]),
    Target("mutf7", names, [b"INBOX/&AOQ-&Jjo-", b"&U,BTFw-&ZeVnLIqe-"], [b"&", b"-", b"&-", b"AOQ", b",", b"+", b"/"]),
    Target("message", message, MAILS, MIME_WORDS),
    Target(
        "subject", subjects, [b"[a] Re: [b] x (fwd)"], [b"re", b":", b"[", b"]", b"[fwd:", b"(fwd)", b" ", b"\t", b"x"]
    ),
    Target("signatures", checks.signatures, [checks.SEALED], SIGNED_WORDS),
    Target("spf", checks.spf, [b"a mx ptr exists:%{ir}.%{d} include:b.example -all"], SPF_WORDS),
    Target("records", checks.records, [b"v=DMARC1; p=none; pct=5", b"v=DKIM1; k=rsa; p=AAAA"], SIGNED_WORDS),
    Target(
        "filters", checks.filters, [b"hX-A\0b|i\0\0\0\1X-B\0c\n d|m\0\0\0\1From\0|bxy", b"y550 5.7.1 no"], FILTER_WORDS
    ),
    Target("thread", threads, [bytes(range(256))], [b"\0", b"\1\2\3\4", b"\xff" * 4]),
)
