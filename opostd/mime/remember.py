"""What was just computed of a few octets is not computed again.

At acceptance one header is read for the envelope, the structure, the index and the preview; and most messages have
one of a few dozen Content-Types.  Long values, which only an attacker sends, are not kept.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")


def remembered(entries: int, octets: int) -> Callable[[Callable[[bytes], T]], Callable[[bytes], T]]:
    """The last results of a pure function, which nobody may change: so many, for values of so many octets at most."""

    def decorate(function: Callable[[bytes], T]) -> Callable[[bytes], T]:
        known = lru_cache(entries)(function)

        @wraps(function)
        def call(value: bytes) -> T:
            return known(value) if len(value) <= octets else function(value)

        return call

    return decorate
