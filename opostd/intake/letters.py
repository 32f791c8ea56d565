"""What the server itself writes to people: to moderators, owners, and those who join and leave.

Pure.  RFC 3834 3.1 (a response: from ``<>``, Auto-Submitted), RFC 2046 5.2.1 (message/rfc822).  What must stay true:
nothing that somebody else wrote ends a line of ours; a letter is never answered by another server's robot.
"""

from dataclasses import dataclass
from email.utils import formatdate

from opostd.intake import words
from opostd.intake.message import CRLF, field
from opostd.intake.trace import return_path
from opostd.model.ids import PostId, post_id_text

MAX_ATTACHED_OCTETS = 1024 * 1024  # of a message that goes along whole; of a larger one its header does
MAX_SHOWN = 200  # characters of somebody else's text in a line of ours


@dataclass(frozen=True, slots=True)
class Letter:
    """sender: an address of the group, whose title is name.  text: lines.

    about: a message that goes along, or its header where it is no whole one, or empty.
    """

    sender: str
    name: str
    to: str
    subject: str
    text: tuple[str, ...]
    about: bytes = b""
    whole: bool = True
    answers: bool = False  # to a letter of the recipient


def shown(text: str) -> str:
    """Somebody else's text as part of one line."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:MAX_SHOWN])


def octets(letter: Letter, *, hostname: str, id_: PostId, now: int) -> bytes:
    """The letter as it is kept.  id_: its own id."""
    text = CRLF.join(line.encode() for line in (*letter.text, ""))
    head = [
        return_path(""),
        field("Date", formatdate(now).encode()),
        field("From", words.mailbox(shown(letter.name), letter.sender)),
        field("To", words.mailbox("", letter.to)),
        field("Subject", words.unstructured(shown(letter.subject))),
        field("Message-ID", f"<{post_id_text(id_)}@{hostname}>".encode()),
        field("Auto-Submitted", b"auto-replied" if letter.answers else b"auto-generated"),
        field("MIME-Version", b"1.0"),
    ]
    plain = _part(b"text/plain; charset=utf-8", text)
    if not letter.about:
        return b"".join([*(each.octets for each in head), plain])
    boundary = b"=_" + post_id_text(id_).encode()
    kind = b"message/rfc822" if letter.whole else b"text/rfc822-headers; charset=utf-8"
    parts = [plain, _part(kind, letter.about)]
    encoding = b"" if all(part.isascii() for part in parts) else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"".join(
        [
            *(each.octets for each in head),
            b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n',
            encoding,
            CRLF,
            *(b"--" + boundary + CRLF + part + CRLF for part in parts),
            b"--" + boundary + b"--\r\n",
        ]
    )


def _part(kind: bytes, body: bytes) -> bytes:
    encoding = b"" if body.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    return b"Content-Type: " + kind + CRLF + encoding + CRLF + body
