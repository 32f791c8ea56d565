"""Whether there is room for a message before it is taken: so that its sender hears at once, and needs no report.

What was accepted is looked at again when it is delivered, where the truth is.  Own limits of accounts are remembered
for a while: where nothing is limited, a recipient costs no look at the store.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from opostd.model.errors import OverQuota
from opostd.model.ids import OwnerId
from opostd.model.mailing import Place, Target
from opostd.model.records import BoxHint, Quota
from opostd.store import quota
from opostd.store.quota import Own
from opostd.store.run import Store

MAX_REMEMBERED = 100_000  # accounts, about 10 MiB


@dataclass(slots=True)
class Fullness:
    """default: limits of accounts that have none of their own."""

    store: Store
    default: Quota
    _own: dict[OwnerId, Own] = field(default_factory=dict)
    _hints: int = 0
    _stop_listening: Callable[[], None] | None = None

    def close(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None

    async def check(self, places: Sequence[Place], octets: int | None) -> None:
        """Raises OverQuota where every place is an account without room; one that has some gets the message.

        octets: of the message, None where its sender has not said.
        """
        full = False
        for place in places:
            if not isinstance(place, Target) or place.source or await self._has_room(place.owner, octets):
                return
            full = True
        if full:
            raise OverQuota("the mailbox is full")

    async def _has_room(self, owner: OwnerId, octets: int | None) -> bool:
        limits = (await self._limits(owner)).over(self.default)
        if not limits:
            return True
        used = await self.store.run(quota.usage, owner)
        return not used.plus(octets or 1, 1).exceeds(limits)

    async def ahead(self, owners: Set[OwnerId]) -> None:
        """Asks at once for the limits that ``check`` of places of these will ask for.  Raises Unavailable."""
        if new := sorted(owners - self._own.keys()):
            hints = self._listen()
            self._remember(await self.store.run(quota.owns, new), hints)

    async def _limits(self, owner: OwnerId) -> Own:
        found = self._own.get(owner)
        if found is None:
            hints = self._listen()
            found = await self.store.glance(quota.own, owner)
            self._remember({owner: found}, hints)
        return found

    def _listen(self) -> int:
        if self._stop_listening is None:
            self._stop_listening = self.store.listen(self._hint)
        return self._hints

    def _remember(self, limits: Mapping[OwnerId, Own], hints: int) -> None:
        if len(self._own) + len(limits) > MAX_REMEMBERED:
            self._own.clear()
        if hints == self._hints:  # else they may have changed since they were read
            self._own.update(limits)

    def _hint(self, hint: BoxHint) -> None:
        """A hint without a box: the account has changed; without an owner: anything may have."""
        if hint.box:
            return
        self._hints += 1
        if not hint.owner:
            self._own.clear()
        else:
            self._own.pop(hint.owner, None)
