"""Who has logged in, and is disabled or deleted meanwhile, sends no more: the sessions of that account end.

What must stay true: an account that is closed is closed to connections that were open before, too; looking after it
costs a message nothing, for the store says which accounts have changed (a hint without a box).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from opostd.model.errors import OpostError
from opostd.model.ids import OwnerId
from opostd.model.records import AccountState, BoxHint
from opostd.smtp import reply as say
from opostd.smtp.session import Session
from opostd.store import accounts
from opostd.store.run import Store

log = logging.getLogger("opostd.smtp")

SETTLE_S = 0.05  # a login that was read a moment before the change is in its session by then
AGAIN_S = 2.0  # after the store could not be asked
EVERYBODY = OwnerId(0)


class Standing:
    """Of one door.  sessions: those that are open now."""

    def __init__(self, store: Store, sessions: Callable[[], Iterable[Session]]) -> None:
        self._store = store
        self._sessions = sessions
        self._changed: set[OwnerId] = set()
        self._task: asyncio.Task[None] | None = None
        self._stop_listening = store.listen(self._hint)

    async def close(self) -> None:
        self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _hint(self, hint: BoxHint) -> None:
        if hint.box:
            return
        self._changed.add(hint.owner)  # 0 says that anything may have changed: EVERYBODY
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._changed:
            await asyncio.sleep(SETTLE_S)
            changed, self._changed = self._changed, set()
            logged_in = {each.account.owner for each in self._sessions() if each.account is not None}
            for owner in logged_in if EVERYBODY in changed else logged_in & changed:
                try:
                    account = await self._store.run(accounts.account, owner)
                except OpostError as error:
                    log.warning("accounts not looked at: %s; trying again", error)
                    self._changed.add(owner)
                    await asyncio.sleep(AGAIN_S)
                    continue
                if account is None or account.state is not AccountState.ACTIVE:
                    self._cut(owner)

    def _cut(self, owner: OwnerId) -> None:
        for session in list(self._sessions()):
            if session.account is not None and session.account.owner == owner:
                log.info("cut peer=%s reason=account-closed", session.peer)
                session.cut_off(say.ACCOUNT_CLOSED)
