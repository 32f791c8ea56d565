"""How long an attempt to log in has to wait, from what failed before.  Pure: the clock is an argument.

Failures are counted for the address they come from, for the name they try, and for both together.  The first few cost
nothing, then the wait doubles up to a limit; a quarter of an hour without failure and all is forgotten.

What must stay true (security.md 1.4): who has logged in from an address (a trusted pair) waits there only for
failures of that very name at that very address, so that neither a guesser elsewhere nor one behind the same NAT is
felt; nobody is locked out, only slowed; memory is bounded whatever is tried; names that do not exist are counted like
those that do.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import NewType

from opostd.model.networks import net_of

FORGET_S = 15 * 60.0  # a person who mistyped is not punished after lunch
TRUST_S = 30 * 86400.0  # a phone that was away for the holidays is still known
MAX_KEYS = 20_000  # of each table: about 3 MB; past it what was longest not seen goes
FIRST_DELAY_S = 1.0

Key = NewType("Key", bytes)
"""A name, an address, or both: hashed, so that a long name costs no memory."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an attempt is counted for.  net: the address, of IPv6 the /64, for whoever has one has 2**64."""

    name: Key
    net: Key
    pair: Key


def attempt(name: str, peer: str) -> Attempt:
    """The keys of an attempt.  name: folded as far as it can be; peer: an IP address, or any text for no address."""
    net = net_of(peer)
    return Attempt(_key("name", name), _key("net", net), _key("pair", net, name))


class _Failures:
    """Failures by key, each table bounded and in the order of the last failure."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def count(self, key: Key, now: float) -> int:
        failures, last = self._counts.get(key, (0, now))
        return failures if now - last < FORGET_S else 0

    def add(self, key: Key, now: float) -> None:
        self._counts[key] = (self.count(key, now) + 1, now)
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_KEYS:
            self._counts.popitem(last=False)

    def clear(self, key: Key) -> None:
        self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)


class Throttle:
    """The counts of one process.  Not for threads."""

    def __init__(self, *, free_failures: int, max_delay_s: float) -> None:
        """free_failures: those that cost nothing; max_delay_s: the longest wait."""
        self._free = free_failures
        self._max_delay_s = max_delay_s
        self._names, self._nets, self._pairs = _Failures(), _Failures(), _Failures()
        self._trusted: OrderedDict[Key, float] = OrderedDict()  # pair -> time of the last success

    def trusts(self, who: Attempt, now: float) -> bool:
        """Whether this name has logged in from this address before, and has not failed much there since."""
        since = self._trusted.get(who.pair)
        return since is not None and now - since < TRUST_S and self._pairs.count(who.pair, now) <= self._free

    def delay(self, who: Attempt, now: float) -> float:
        """Seconds to wait before this attempt is checked."""
        if self.trusts(who, now):
            return 0.0
        return self._after(
            max(
                self._names.count(who.name, now),
                self._nets.count(who.net, now),
                self._pairs.count(who.pair, now),
            )
        )

    def _after(self, failures: int) -> float:
        doublings = failures - self._free
        if doublings < 0:
            return 0.0
        return float(min(FIRST_DELAY_S * 2 ** min(doublings, 30), self._max_delay_s))

    def failed(self, who: Attempt, now: float) -> None:
        """Count a wrong name or password."""
        self._pairs.add(who.pair, now)
        if not self.trusts(who, now):  # a known phone with an old password is its owner's trouble, nobody else's
            self._names.add(who.name, now)
            self._nets.add(who.net, now)

    def succeeded(self, who: Attempt, now: float) -> None:
        """Trust the pair.  Failures of the address stay: a guesser may have an account of their own."""
        self._pairs.clear(who.pair)
        self._trusted[who.pair] = now
        self._trusted.move_to_end(who.pair)
        if len(self._trusted) > MAX_KEYS:
            self._trusted.popitem(last=False)

    def __len__(self) -> int:
        """Entries held."""
        return len(self._names) + len(self._nets) + len(self._pairs) + len(self._trusted)


def _key(*parts: str) -> Key:
    return Key(blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).digest())
