"""Character classes and tokens of the formal syntax (RFC 9051 9, RFC 3501 9), as regular expressions over octets.

What must stay true: every expression here runs in time linear in what it reads, for its repetitions never overlap;
``[0-9]`` is written out, for a digit is one of ten octets and nothing else.
"""

import re

ATOM_CHARS = rb"!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~"  # CHAR without atom-specials
ASTRING_CHARS = ATOM_CHARS + rb"\]"  # ASTRING-CHAR: resp-specials too
LIST_CHARS = ASTRING_CHARS + rb"%*"  # list-char: list-wildcards too
TAG_CHARS = ASTRING_CHARS.replace(b"+,", b",")  # tag: ASTRING-CHAR except "+"

ATOM = re.compile(rb"[" + ATOM_CHARS + rb"]+")
ASTRING_ATOM = re.compile(rb"[" + ASTRING_CHARS + rb"]+")
LIST_MAILBOX = re.compile(rb"[" + LIST_CHARS + rb"]+")
TAG = re.compile(rb"[" + TAG_CHARS + rb"]+")

# QUOTED-CHAR, with both line ends out: within a command they stand behind a literal's size only.
QUOTED = re.compile(rb'"([^"\\\r\n]*(?:\\["\\][^"\\\r\n]*)*)"')
ESCAPED = re.compile(rb'\\(["\\])')

LITERAL_END = re.compile(rb"~?\{([0-9]+)(\+?)\}")  # at the end of a line (RFC 9051 4.3, RFC 7888, RFC 3516)
LITERAL = re.compile(rb"\{[0-9]+\+?\}\r\n")  # within a command whose literals are read
LITERAL8 = re.compile(rb"~?\{[0-9]+\+?\}\r\n")

NUMBER = re.compile(rb"[0-9]{1,10}(?![0-9])")
NZ_NUMBER = re.compile(rb"[1-9][0-9]{0,9}(?![0-9])")
NUMBER64 = re.compile(rb"[0-9]{1,19}(?![0-9])")

_SEQ_NUMBER = rb"(?:[1-9][0-9]{0,9}|\*)"
_SEQ_RANGE = _SEQ_NUMBER + rb"(?::" + _SEQ_NUMBER + rb")?"
SEQUENCE_SET = re.compile(_SEQ_RANGE + rb"(?:," + _SEQ_RANGE + rb")*(?![0-9:,*])")

OBJECTID = re.compile(rb"[A-Za-z0-9_-]{1,255}(?![^ )])")  # RFC 8474 7

FLAG = re.compile(rb"\\?[" + ATOM_CHARS + rb"]+")  # flag, flag-keyword

MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})(?![0-9])")  # date-text
DATE_TIME = re.compile(
    rb'"([0-9 ][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)

BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![A-Za-z0-9+/=])")

# A command's beginning: tag SP name, and for UID the name behind it (RFC 9051 9: command, uid).
COMMAND = re.compile(rb"([" + TAG_CHARS + rb"]+) ([A-Za-z][A-Za-z0-9-]*)(?![^ ])")
UID_COMMAND = re.compile(rb" ([A-Za-z][A-Za-z0-9-]*)(?![^ ])")
TAG_ALONE = re.compile(rb"([" + TAG_CHARS + rb"]+)(?: |$)")

# Does a message of APPEND or REPLACE follow?  Not where the literal stands in the place of the mailbox name.
_TO_MAILBOX = rb"[^ ]+ (?:APPEND|(?:UID )?REPLACE [^ ]+) "
APPEND = re.compile(_TO_MAILBOX + rb"[^ {]", re.IGNORECASE)
APPEND_NAMED_BY_LITERAL = re.compile(_TO_MAILBOX + rb"\{", re.IGNORECASE)
