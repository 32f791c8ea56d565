"""A mailbox in batches of as many messages, by UID (RFC 10022 3.1): cost is one step for each batch."""

from collections.abc import Sequence


def batches(uids: Sequence[int], size: int, wanted: tuple[int, int] | None) -> tuple[tuple[int, int], ...]:
    """High and low UID of each batch, the newest messages first; the last goes down to 1, whatever is there.

    uids: ascending.  wanted: the first and the last batch, from 1; None is all.  A batch has ``size`` messages, the
    last one what is left; each begins one below the end of the one before, so that no UID is in none.
    """
    count = -(-len(uids) // size)
    first, last = (1, count) if wanted is None else (wanted[0], min(wanted[1], count))
    found = []
    for batch in range(first, last + 1):
        top, bottom = len(uids) - (batch - 1) * size, len(uids) - batch * size
        high = uids[-1] if batch == 1 else uids[top] - 1
        low = uids[bottom] if bottom > 0 else 1
        found.append((high, low))
    return tuple(found)
