"""Batches of UIDs (RFC 10022 3.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.state.batches import batches

CASES = [
    ([], 2, None, ()),
    ([7], 2, None, ((7, 1),)),
    ([7, 9], 2, None, ((9, 1),)),
    ([3, 7, 9], 2, None, ((9, 7), (6, 1))),
    ([1, 2, 3, 10, 20], 2, None, ((20, 10), (9, 2), (1, 1))),
    ([1, 2, 3, 10, 20], 2, (2, 2), ((9, 2),)),
    ([1, 2, 3, 10, 20], 2, (2, 99), ((9, 2), (1, 1))),
    ([1, 2, 3, 10, 20], 2, (4, 2**32 - 1), ()),
    ([5, 6], 2**32 - 1, (1, 1), ((6, 1),)),
]


@pytest.mark.parametrize(("uids", "size", "wanted", "ranges"), CASES)
def test_batches(
    uids: list[int], size: int, wanted: tuple[int, int] | None, ranges: tuple[tuple[int, int], ...]
) -> None:
    assert batches(uids, size, wanted) == ranges


@given(st.sets(st.integers(1, 2000)), st.integers(1, 50))
def test_every_uid_is_in_one_batch_and_all_but_the_last_are_full(uids: set[int], size: int) -> None:
    found = batches(sorted(uids), size, None)
    assert [high for high, _ in found][1:] == [low - 1 for _, low in found][:-1]
    assert not uids or (found[0][0], found[-1][1]) == (max(uids), 1)
    counts = [sum(low <= uid <= high for uid in uids) for high, low in found]
    assert sum(counts) == len(uids)
    assert all(count == size for count in counts[:-1])
    for at in range(len(found)):
        assert batches(sorted(uids), size, (at + 1, at + 1)) == (found[at],)
