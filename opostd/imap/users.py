"""Connections of each user, and of who is not known yet: one's many never become another's none (security.md 1.5)."""

from typing import Protocol

from opostd.auth.unknown import Unknown
from opostd.model.errors import LimitReached
from opostd.model.ids import OwnerId
from opostd.model.records import Account


class Counted(Protocol):
    """A connection.  peer: the client's address."""

    peer: str

    def cut_off(self, why: str) -> None: ...


class UserCounts:
    """By peer: so many connections of a user from one address, and no matter how many from others.

    unknown: those that have not logged in.
    """

    def __init__(self, most: int, unknown: Unknown | None = None) -> None:
        self._most = most
        self.unknown = unknown or Unknown()
        self._by_user: dict[OwnerId, set[Counted]] = {}

    def enter(self, connection: Counted, account: Account) -> None:
        mine = self._by_user.setdefault(account.owner, set())
        if sum(1 for each in mine if each.peer == connection.peer) >= self._most:
            raise LimitReached(f"more than {self._most} connections of one user from one address")
        mine.add(connection)
        self.unknown.leave(connection)

    def leave(self, connection: Counted, account: Account) -> None:
        mine = self._by_user.get(account.owner)
        if mine is not None:
            mine.discard(connection)
            if not mine:
                del self._by_user[account.owner]

    def of(self, owner: OwnerId) -> tuple[Counted, ...]:
        return tuple(self._by_user.get(owner, ()))

    def owners(self) -> tuple[OwnerId, ...]:
        return tuple(self._by_user)
