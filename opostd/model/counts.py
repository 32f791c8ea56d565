"""What a process has done since it began, in numbers: added to on the way, read by who watches the server.

What must stay true: no user, address or mailbox is a key; adding costs less than a microsecond.
"""

from bisect import bisect_left
from collections import Counter, defaultdict

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Times:
    """How long something took.  counts: how often no longer than each of BOUNDS_S and longer than the one before; the
    last is of what took longer than all.  total: seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total += seconds


class Counts:
    """One for all doors of a process; used on its loop.

    messages: by door and what became of them (``accepted``, ``deferred``, ``refused``); accepting: from the end of
    data to the reply, by door; commands: of IMAP, by name; failed_logins: by protocol.
    """

    def __init__(self) -> None:
        self.messages: Counter[tuple[str, str]] = Counter()
        self.accepting: defaultdict[str, Times] = defaultdict(Times)
        self.commands: defaultdict[bytes, Times] = defaultdict(Times)
        self.failed_logins: Counter[str] = Counter()
