"""From a name and a password, or a token, to an account: throttle, store, argon2id, and what was right a moment ago.

The way of an attempt: equal ones at the same time become one (a mail program opens five connections at once); it
takes its turn among those of its address; it waits as the throttle says; the account is read; the password is checked
in one of four threads.  A login that was right within ``cache_s`` costs no hashing.

What must stay true (security.md 1.4): the account's row is read at every login, before and after the check, so a
changed password or a disabled account counts at once; wrong, unknown and disabled are the same error after the same
work; a client that goes away does not get out of its wait; the password is nowhere kept, only a keyed hash of it with
the secret.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Protocol

from opostd.auth import passwords, sasl, scram, throttle
from opostd.auth.claims import Expired, Insufficient
from opostd.auth.throttle import Key, Throttle
from opostd.config import AuthSettings
from opostd.model.errors import BadAddress, LoginFailed, Unavailable
from opostd.model.ids import OwnerId
from opostd.model.records import Account, AccountState, AddressKind
from opostd.store import accounts
from opostd.store.run import Store

HASHES_AT_ONCE = 4  # each takes 64 MiB and a core for a tenth of a second
ATTEMPTS_AT_ONCE = 4  # of one address: a burst of guesses meets the count of those before it
MAX_LINE = 1000  # attempts of one address that wait their turn: an office behind one address at nine o'clock
MAX_SLOWED_LINE = 16  # of an address that has failed too often
MAX_ATTEMPTS = 4000  # of all addresses: about 2 kB each
MAX_REMEMBERED = 10_000  # right logins: about 2 MB
NOBODY = OwnerId(0)  # no account has it, and looking for it takes as long


class _Turns:
    """Who may try now, by address: ``ATTEMPTS_AT_ONCE`` each, the others in line."""

    def __init__(self) -> None:
        self._gates: dict[Key, tuple[asyncio.Semaphore, int]] = {}
        self.total = 0

    def waiting(self, key: Key) -> int:
        """Attempts of this key that are in work or in line."""
        return self._gates[key][1] if key in self._gates else 0

    def enter(self, key: Key) -> asyncio.Semaphore:
        """Get in line, counted from now on; the turn is ``async with`` what is returned.  ``leave`` must follow."""
        gate, users = self._gates.get(key) or (asyncio.Semaphore(ATTEMPTS_AT_ONCE), 0)
        self._gates[key] = (gate, users + 1)
        self.total += 1
        return gate

    def leave(self, key: Key) -> None:
        gate, users = self._gates.pop(key)
        self.total -= 1
        if users > 1:
            self._gates[key] = (gate, users - 1)


class Tokens(Protocol):
    """Who knows whose a token is: ``tokens.Tokens``, which is imported only where there is an issuer."""

    scope: str
    configuration: str

    async def login_of(self, token: str) -> str:
        """The name that a token is for.  Raises LoginFailed, Unavailable."""


class Authenticator:
    """One for all doors of a process, so that they share the counts.  Used on one event loop."""

    def __init__(
        self,
        store: Store,
        domains: Sequence[str],
        settings: AuthSettings,
        *,
        tokens: Tokens | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """domains: the first one completes a name without a domain.  clock: seconds, for what is remembered.

        tokens: None where nobody logs in by one.
        """
        self.tokens = tokens
        self._store = store
        self._domains = tuple(domains)
        self._settings = settings
        self._clock = clock
        self._throttle = Throttle(free_failures=settings.free_failures, max_delay_s=settings.max_delay_s)
        self._turns = _Turns()
        self._flights: dict[tuple[Key, bytes], asyncio.Task[str | None]] = {}
        self._proofs: set[asyncio.Task[Account | None]] = set()
        self._shown: dict[tuple[Key, bytes], asyncio.Task[Account]] = {}
        self._nobody: bytes | None = None  # makes salts for names that nobody has
        self._right: OrderedDict[bytes, float] = OrderedDict()  # digest of (secret, password) -> until when
        self._pepper = secrets.token_bytes(32)
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="password")

    async def login(self, name: str, password: str, peer: str) -> Account:
        """The account whose password this is.

        name: with or without a domain, in any case; peer: the client's IP address, or ``local``.  Raises LoginFailed,
        and Unavailable when the store is away or too many wait; LoginFailed comes after up to ``max_delay_s`` and the
        check.
        """
        addr = self._fold(name)
        who = throttle.attempt(addr or name[: passwords.MAX_OCTETS].casefold(), peer)
        if self._may_remember(who):
            account = await self._account(addr)
            # Asked again, for there may have been guesses in the meantime; from here on nothing else runs in between.
            if account is not None and account.secret is not None and self._may_remember(who):
                if self._is_right(account.secret, password):
                    return account
        secret = await self._verified(addr, password, who)
        account = await self._account(addr)
        if secret is None or account is None or account.secret != secret:
            raise LoginFailed("wrong name or password")
        return account

    @property
    def offers_scram(self) -> bool:
        """Whether keys for SCRAM are made of new passwords."""
        return self._settings.scram_iterations > 0

    async def scram_keys(self, name: str) -> scram.Keys:
        """The keys by which a proof of this name is to be measured; for who has none, some that nothing proves.

        It takes as long for a name that nobody has, and its salt is the same each time, in each process.
        """
        addr = self._fold(name)
        account = await self._account(addr)
        if self._nobody is None:
            self._nobody = (await self._store.run(accounts.secret_of_nobody, secrets.token_hex(32))).encode()
        keys = None if account is None else scram.unpack(account.scram)
        return keys or scram.nobody(addr or name.casefold(), self._nobody, self._settings.scram_iterations)

    async def prove(self, proof: sasl.Proof, peer: str) -> Account:
        """The account whose password was proved, at the pace of ``login``.  Raises as it does."""
        addr = self._fold(proof.name)
        who = throttle.attempt(addr or proof.name[: passwords.MAX_OCTETS].casefold(), peer)
        turn = self._admit(who)
        gate = self._turns.enter(turn)
        # A task of its own: a guesser who hangs up without waiting has used up a turn all the same.
        task = asyncio.get_running_loop().create_task(self._measure(addr, proof, who, gate))
        self._proofs.add(task)
        task.add_done_callback(lambda done: self._measured(turn, done))
        account = await asyncio.shield(task)
        if account is None:
            raise LoginFailed("wrong name or password")
        return account

    async def _measure(
        self, addr: str | None, proof: sasl.Proof, who: throttle.Attempt, gate: asyncio.Semaphore
    ) -> Account | None:
        async with gate:
            delay_s = self._throttle.delay(who, self._clock())
            if delay_s:
                await asyncio.sleep(delay_s)
            account = await self._account(addr)
            # The keys that the proof was measured by are those of now: a changed password counts at once.
            if account is None or not proof.right or account.scram != proof.keys:
                self._throttle.failed(who, self._clock())
                return None
            self._throttle.succeeded(who, self._clock())
            return account

    def _measured(self, turn: Key, task: "asyncio.Task[Account | None]") -> None:
        self._proofs.discard(task)
        self._turns.leave(turn)
        if not task.cancelled():
            task.exception()  # seen, even if who waited has gone

    async def show(self, shown: sasl.Bearer, peer: str) -> Account:
        """The account that a token is for, at the pace of ``login``; equal ones at once are one.  Raises as it does.

        The account needs no password, but it must be there, active, and the one that was named if one was.
        """
        if not shown.token or self.tokens is None:
            raise LoginFailed("no token")
        digest = self._digest("token", shown.token)
        addr = self._fold(shown.name) if shown.name else None
        name = addr or shown.name[: passwords.MAX_OCTETS].casefold() or f"token {digest.hex()}"
        who = throttle.attempt(name, peer)
        key = (who.pair, digest)
        task = self._shown.get(key)
        if task is None:
            turn = self._admit(who)
            gate = self._turns.enter(turn)
            task = asyncio.get_running_loop().create_task(self._judge(self.tokens, shown, addr, who, gate))
            self._shown[key] = task
            task.add_done_callback(lambda done: self._judged(key, turn, done))
        return await asyncio.shield(task)

    async def _judge(
        self, tokens: Tokens, shown: sasl.Bearer, addr: str | None, who: throttle.Attempt, gate: asyncio.Semaphore
    ) -> Account:
        async with gate:
            delay_s = self._throttle.delay(who, self._clock())
            if delay_s:
                await asyncio.sleep(delay_s)
            try:
                claimed = self._fold(await tokens.login_of(shown.token))
                account = await self._account(claimed, by_password=False)
                if account is None or (shown.name and addr != claimed):
                    raise LoginFailed("a token for another, or for nobody here")
            except (Expired, Insufficient):
                raise  # made by the issuer for this login: a mail program that must fetch another, and no guesser
            except LoginFailed:
                self._throttle.failed(who, self._clock())
                raise
            self._throttle.succeeded(who, self._clock())
            return account

    def _judged(self, key: tuple[Key, bytes], turn: Key, task: "asyncio.Task[Account]") -> None:
        del self._shown[key]
        self._turns.leave(turn)
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have gone

    def close(self) -> None:
        """Attempts under way end with CancelledError; the threads end with what they are checking."""
        for task in (*self._flights.values(), *self._proofs, *self._shown.values()):
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- one attempt ---------------------------------------------------------------------------------------------

    async def _verified(self, addr: str | None, password: str, who: throttle.Attempt) -> str | None:
        """The secret that the password is right for, or None; one attempt for all who ask the same at once."""
        key = (who.pair, self._digest("", password))
        task = self._flights.get(key)
        if task is None:
            turn = self._admit(who)
            gate = self._turns.enter(turn)
            # A task of its own: a guesser who hangs up without waiting has used up a turn all the same.
            task = asyncio.get_running_loop().create_task(self._attempt(addr, password, who, gate))
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, turn, done))
        return await asyncio.shield(task)

    def _landed(self, key: tuple[Key, bytes], turn: Key, task: asyncio.Task[str | None]) -> None:
        del self._flights[key]
        self._turns.leave(turn)
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have gone

    def _may_remember(self, who: throttle.Attempt) -> bool:
        """Whether a login may be compared with what was right a moment ago, without a turn.

        Never beside other attempts of the same pair: a thousand guesses at once would all be compared.
        """
        return self._throttle.trusts(who, self._clock()) and not self._turns.waiting(who.pair)

    def _admit(self, who: throttle.Attempt) -> Key:
        """Whose turns this attempt takes.  Raises Unavailable, the password not looked at, when the line is full.

        Unavailable and not LoginFailed: a mail program that hears the latter asks its user for a new password.  A
        trusted pair has a line of its own, so that others can fill neither its line nor the whole.
        """
        now = self._clock()
        if self._throttle.trusts(who, now):
            if self._turns.waiting(who.pair) >= MAX_SLOWED_LINE:
                raise Unavailable("too many logins of one user wait")
            return who.pair
        limit = MAX_SLOWED_LINE if self._throttle.delay(who, now) else MAX_LINE
        if self._turns.waiting(who.net) >= limit or self._turns.total >= MAX_ATTEMPTS:
            raise Unavailable("too many logins wait")
        return who.net

    async def _attempt(
        self, addr: str | None, password: str, who: throttle.Attempt, gate: asyncio.Semaphore
    ) -> str | None:
        async with gate:
            delay_s = self._throttle.delay(who, self._clock())
            if delay_s:
                await asyncio.sleep(delay_s)
            account = await self._account(addr)
            secret = account.secret if account is not None else None
            if secret is None or not self._is_right(secret, password):
                loop = asyncio.get_running_loop()
                right = await loop.run_in_executor(self._threads, passwords.verify, secret, password)
                if not right or secret is None:
                    self._throttle.failed(who, self._clock())
                    return None
                self._remember(secret, password)
            self._throttle.succeeded(who, self._clock())
            return secret

    async def _account(self, addr: str | None, *, by_password: bool = True) -> Account | None:
        """The account that may log in under an address; two reads whether there is one or not."""
        found = await self._store.run(accounts.address, addr or "")
        is_user = found is not None and found.kind is AddressKind.USER
        account = await self._store.run(accounts.account, found.owner if found is not None and is_user else NOBODY)
        if account is None or account.state is not AccountState.ACTIVE or (by_password and account.secret is None):
            return None
        return account

    def _fold(self, name: str) -> str | None:
        """The address of a name; None for what cannot be one: NUL is in no name, but in what ``sasl`` makes of
        authzid."""
        if "\0" in name or len(name) > passwords.MAX_OCTETS:
            return None
        try:
            return accounts.fold_address(name, self._domains)
        except BadAddress:
            return None

    # -- what was right a moment ago -----------------------------------------------------------------------------

    def _digest(self, secret: str, password: str) -> bytes:
        text = f"{secret}\0{password}".encode(errors="surrogatepass")
        return blake2b(text, key=self._pepper, digest_size=32).digest()

    def _is_right(self, secret: str, password: str) -> bool:
        until = self._right.get(self._digest(secret, password))
        return until is not None and self._clock() < until

    def _remember(self, secret: str, password: str) -> None:
        digest = self._digest(secret, password)
        self._right[digest] = self._clock() + self._settings.cache_s
        self._right.move_to_end(digest)
        if len(self._right) > MAX_REMEMBERED:
            self._right.popitem(last=False)
