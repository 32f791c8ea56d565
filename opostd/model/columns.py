"""A box's messages as columns of numbers, in blocks: what a process keeps of each box that is open.

33 octets a message: a box of a million is 32 MiB.  Blocks never change; a box that changes gets new ones where it has
changed and keeps the others, so that a message that comes to a million costs as much as one that comes to 16,000.
"""

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

POST_ID_OCTETS = 16
BLOCK_ROWS = 16_384  # half a megabyte: a tenth of a millisecond to copy
LAST_SHORT = 2**32 - 1
RECORD_OCTETS = 40
"""A message as the store hands it out, numbers from the highest octet: UID 4, size 4, modseq 7, bits 1, INTERNALDATE 8,
the id of its post 16."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Columns of messages that are neighbours, of equal length; posts: 16 octets each; top: none has a modseq above it.

    modseqs and internaldates have 4 octets a number where all fit into them, as they nearly always do, else 8.
    """

    modseqs: "array[int]"
    posts: bytes
    sizes: "array[int]"
    internaldates: "array[int]"
    top: int


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """All messages by ascending UID; the blocks have the same messages; keywords: by UID, of those that have any.

    block_rows: messages that a block begins with; those at the end may become twice as many.
    """

    uids: "array[int]"
    bits: "array[int]"
    blocks: tuple[Block, ...]
    keywords: Mapping[int, tuple[str, ...]]
    block_rows: int = BLOCK_ROWS


def modseq_column(values: "array[int] | list[int]") -> "array[int]":
    """As short as may be."""
    return array("I" if max(values, default=0) <= LAST_SHORT else "Q", values)


def date_column(values: "array[int] | list[int]") -> "array[int]":
    """As short as may be: APPEND may give a date before 1970."""
    short = min(values, default=0) >= 0 and max(values, default=0) <= LAST_SHORT
    return array("I" if short else "q", values)


def read_records(octets: bytes, uids: "array[int]", bits: "array[int]") -> Block:
    """The block of these records; their UIDs and bits are put at the end of the two columns."""
    uids.frombytes(_turned(octets, 0, 4))
    bits.frombytes(octets[15::RECORD_OCTETS])
    # The upper octets of a number are mostly zeros, which one look over each of them tells
    short = not any(octets[at::RECORD_OCTETS].strip(b"\0") for at in (8, 9, 10))
    if short:
        modseqs = array("I", _turned(octets, 11, 4))
    else:
        modseqs = array("Q", _turned(octets, 8, 7, 8))
    if any(octets[at::RECORD_OCTETS].strip(b"\0") for at in (16, 17, 18, 19)):
        internaldates = array("q", _turned(octets, 16, 8))
    else:
        internaldates = array("I", _turned(octets, 20, 4))
    posts = bytearray(len(octets) // RECORD_OCTETS * POST_ID_OCTETS)
    for at in range(POST_ID_OCTETS):
        posts[at::POST_ID_OCTETS] = octets[24 + at :: RECORD_OCTETS]
    sizes = array("I", _turned(octets, 4, 4))
    return Block(modseqs, bytes(posts), sizes, internaldates, max(modseqs, default=0))


def read_lists(lists: "Sequence[list[int]]", posts: bytes, uids: "array[int]", bits: "array[int]") -> Block:
    """As ``read_records``.  lists: UIDs, sizes, modseqs, bits and INTERNALDATEs."""
    new_uids, sizes, modseqs, new_bits, internaldates = lists
    uids.extend(new_uids)
    bits.extend(new_bits)
    return Block(modseq_column(modseqs), posts, array("I", sizes), date_column(internaldates), max(modseqs))


def _turned(octets: bytes, at: int, given: int, width: int = 0) -> bytes:
    """One number of each record, as this machine orders its octets.  given: octets that it has, width: shall have."""
    width = width or given
    found = bytearray(len(octets) // RECORD_OCTETS * width)
    for number in range(given):  # from the lowest
        to = number if sys.byteorder == "little" else width - 1 - number
        found[to::width] = octets[at + given - 1 - number :: RECORD_OCTETS]
    return bytes(found)
