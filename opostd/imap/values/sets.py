"""Sets of sequence numbers or UIDs (RFC 9051 section 9, sequence-set)."""

from dataclasses import dataclass

STAR = 0  # "*", the largest number in use; 0 is no legal number, so it is free to mean this
MAX_NUMBER = 2**32 - 1
MAX_MODSEQ = 2**63 - 1  # RFC 7162 3.1


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges in the order written.  Each end is 1 to 2**32-1, or STAR; a single number is a range of itself."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SavedResult:
    """``$``: the result of the last SEARCH with SAVE (RFC 5182)."""


Numbers = SequenceSet | SavedResult

Partial = tuple[int, int]
"""A range of results, as written: from 1 for the first, or from -1 for the last (RFC 9394 3.1)."""
