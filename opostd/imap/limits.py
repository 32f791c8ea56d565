"""The sizes that a client may reach, each with its reason (security.md 1.5).

What must stay true: every buffer of the wire, and every loop whose length the client chooses, has its limit here.
"""

from dataclasses import dataclass, replace

KIB = 1024


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """What one command may hold, in octets.

    line: all its lines together, without the literals.  literal: one of them.  literals: all of them together.
    message: a message of an APPEND, which does not count into ``literals``; 0 where there is no APPEND.  messages: all
    those of one command together.
    """

    line: int
    literal: int
    literals: int
    message: int
    messages: int = 0


BEFORE_LOGIN = FrameLimits(
    line=13 * KIB,  # RFC 7162 4 names 8192; a token of 8 KiB with a name takes 12 KiB in base64 (RFC 7628)
    literal=4 * KIB,  # a name or a password, each 1 KiB at most; whoever is unknown gets no more memory
    literals=8 * KIB,  # LOGIN has two
    message=0,
)
AFTER_LOGIN = FrameLimits(
    line=64 * KIB,  # RFC 7162 4 asks for 8 KiB; clients send sets of thousands of UIDs in one line
    literal=1024 * KIB,  # more than any string has reason to be: RFC 7888 4 would allow to stop at 4 KiB
    literals=1024 * KIB,
    message=0,
)


def frame_limits(phase: FrameLimits, max_message_octets: int) -> FrameLimits:
    """The limits of a phase (BEFORE_LOGIN, AFTER_LOGIN) under this server's limit of a message."""
    if phase is BEFORE_LOGIN:
        return phase
    # The messages of one command wait in memory for the last of them: so many as two of the largest take.
    return replace(phase, message=max_message_octets, messages=2 * max_message_octets)


MAX_RAW_LINE_OCTETS = 13 * KIB  # of a SASL response (RFC 4954 4 names 12288), or where DONE is awaited: then BYE
MAX_SET_RANGES = 10_000  # in one sequence-set: a line of 64 KiB holds about as many numbers of six digits
MAX_APPEND_MESSAGES = 500  # of one APPEND: they are put into the box by one transaction (rule 9 of the store)
MAX_CATENATE_PARTS = 500  # each may read a whole message: mail programs send some dozens
MAX_FETCH_ITEMS = 1000  # each may be a copy of the whole message in the answer
MAX_SECTION_DEPTH = 100  # part numbers in BODY[1.2.3]: mime keeps no deeper tree
MAX_SEARCH_DEPTH = 100  # parentheses, NOT and OR inside each other: Python's own limit is 1000 calls
MAX_SEARCH_KEYS = 1000  # each may be one pass over the whole box
MAX_SORT_CRITERIA = 20  # of one SORT: there are nine keys, and each is one pass over what was found
MAX_PATTERNS = 32  # of one LIST: RFC 5258's examples have two
MAX_PATTERN_OCTETS = 256  # the time of a match grows with it
MAX_METADATA_ENTRIES = 100  # of one command: as many as a box may have of one kind
MAX_NOTIFY_GROUPS = 100  # of one NOTIFY: each is looked at for each mailbox; the examples of RFC 5465 have three
MAX_NOTIFY_BOXES = 500  # whose messages one connection hears of: each is counted when it changes
MAX_MULTISEARCH_BOXES = 1000  # that one ESEARCH goes through, each opened: a user has 10,000 at most
MAX_SCOPE_NAMES = 1000  # mailboxes that one NOTIFY or ESEARCH names
MAX_ID_FIELDS = 30  # RFC 2971 3.3: a client MUST NOT send more
MAX_FAILED_LOGINS = 3  # on one connection, then BYE (security.md 1.4): a person who mistypes opens another
