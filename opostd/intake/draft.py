"""A text written in Markdown becomes a message that can be submitted.

Pure but for its defaults of time and Message-ID.  RFC 5322 3.6.  What must stay true: a CR, LF or NUL in any field is
refused and never repaired, so that no field can smuggle in another; the text comes back as it was typed.
"""

import quopri
import re
import time
from collections.abc import Sequence
from email.utils import formatdate

from opostd.intake import words
from opostd.intake.message import field
from opostd.model.errors import BadMessage
from opostd.model.ids import post_id_text
from opostd.model.new_ids import new_post_id

_LINE_END = re.compile(r"\r\n|\r|\n")
MAX_PLAIN_LINE = 998  # RFC 5322 2.1.1: MUST


def draft(
    text: str,
    *,
    sender: str,
    to: Sequence[str],
    subject: str,
    cc: Sequence[str] = (),
    name: str = "",
    now: int | None = None,
    message_id: str | None = None,
) -> bytes:
    """A text/plain message with Date, Message-ID, From, To, Cc where there are any, and Subject.

    text: lines of any line end.  sender, to, cc: addresses without names.  name: the sender's, may be empty.  now:
    seconds since 1970, the wall clock by default.  message_id: with its angle brackets; made here by default.  Raises
    BadMessage.
    """
    if "\0" in text:
        raise BadMessage("the text has a NUL")
    lines = _LINE_END.split(text)
    try:
        body = "\r\n".join(lines).encode()
    except UnicodeEncodeError:
        raise BadMessage("the text is no Unicode text") from None
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    if not body.isascii() or max(map(len, lines)) > MAX_PLAIN_LINE:
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        encoding = b"quoted-printable"
    else:
        encoding = b"7bit"
    if message_id is None:
        message_id = f"<{post_id_text(new_post_id())}@{sender.rpartition('@')[2]}>"
    fields = [
        field("Date", formatdate(time.time() if now is None else now).encode()),
        field("From", words.mailbox(name, sender)),
        *(field(title, words.address_list(each)) for title, each in (("To", to), ("Cc", cc)) if each),
        field("Subject", words.unstructured(words.checked("the subject", subject))),
        field("Message-ID", words.checked("the Message-ID", message_id).encode()),
        field("MIME-Version", b"1.0"),
        field("Content-Type", b"text/plain; charset=utf-8"),
        field("Content-Transfer-Encoding", encoding),
    ]
    return b"".join([*(each.octets for each in fields), b"\r\n", body])
