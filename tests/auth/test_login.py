"""Logins on a real store: who gets in, at what cost, and how a guesser is slowed without anybody else noticing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from argon2 import PasswordHasher

from opostd.auth import login, passwords, sasl, scram
from opostd.auth.exchange import begin
from opostd.auth.login import Authenticator
from opostd.config import AuthSettings
from opostd.model.errors import LoginFailed, Unavailable
from opostd.model.records import Account, AccountState, PostPolicy
from opostd.store import accounts, provision
from opostd.store.run import Store
from tests.auth.scram_client import ScramClient

DOMAIN = "opost.example"
HERE, ELSEWHERE, THIRD = "192.0.2.1", "198.51.100.7", "203.0.113.9"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECRET, NEW_SECRET = CHEAP.hash("secret"), CHEAP.hash("new")
NOW = 1_700_000_000
PATIENCE_S = 30.0
LONG = AuthSettings(max_delay_s=1000.0)  # whoever is slowed is not back before the test ends
NOT_NAMES = ["bob", "nobody", "team", "sales", "everyone", "", "@", "a b", "anna@other.example", "x" * 2000, "\ud800"]


@dataclass
class World:
    store: Store
    auth: Authenticator
    anna: Account
    bob: Account
    clock: list[float] = field(default_factory=lambda: [0.0])

    async def works(self, name: str = "anna", password: str = "secret", peer: str = HERE) -> bool:
        try:
            await self.auth.login(name, password, peer)
        except LoginFailed as error:
            if str(error) != "wrong name or password":
                raise
            return False
        return True


@asynccontextmanager
async def world(store: Store, settings: AuthSettings | None = None) -> AsyncIterator[World]:
    """anna and bob log in with ``secret``, bob is disabled; team is a group, sales an alias of anna."""
    await provision.ensure_system(store, (DOMAIN,), now=NOW)
    people = [await provision.add_user(store, f"{name}@{DOMAIN}", secret=SECRET, now=NOW) for name in ("anna", "bob")]
    await store.run(accounts.set_state, people[1].owner, AccountState.DISABLED)
    team, members = f"team@{DOMAIN}", [people[0].owner]
    await provision.add_group(store, team, title="Team", members=members, post=PostPolicy.MEMBERS, now=NOW)
    await provision.add_alias(store, f"sales@{DOMAIN}", [f"anna@{DOMAIN}"])
    clock = [0.0]
    auth = Authenticator(store, (DOMAIN,), settings or AuthSettings(max_delay_s=0.01), clock=lambda: clock[0])
    try:
        yield World(store, auth, people[0], people[1], clock)
    finally:
        auth.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await main

    asyncio.run(within())


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The secrets that were checked by hashing, in order."""
    made: list[str | None] = []
    verify: Callable[[str | None, str], bool] = passwords.verify

    def counted(secret: str | None, password: str) -> bool:
        made.append(secret)
        return verify(secret, password)

    monkeypatch.setattr(passwords, "verify", counted)
    return made


def test_names_with_and_without_the_domain(store: Store) -> None:
    async def main() -> None:
        async with world(store) as each:
            for name in ("anna", "ANNA", "anna@opost.example", "Anna@OPOST.Example", "anna@opost.example."):
                account = await each.auth.login(name, "secret", HERE)
                assert account.owner == each.anna.owner
                assert account.login == "anna@opost.example"

    run(main())


def test_wrong_unknown_and_disabled_are_the_same_after_the_same_work(store: Store, checks: list[str | None]) -> None:
    async def main() -> None:
        async with world(store) as each:
            for name in NOT_NAMES:
                assert not await each.works(name)
            for password in ("", "wrong", "SECRET", "secret ", "\0", "x" * 5000, "\ud800"):
                assert not await each.works("anna", password)
            assert len(checks) == len(NOT_NAMES) + 7  # one hash each, for an unknown name a dummy's
            assert checks[: len(NOT_NAMES)] == [None] * len(NOT_NAMES)
            assert await each.works()

    run(main())


def test_acting_for_another_fails(store: Store) -> None:
    async def main() -> None:
        async with world(store) as each:
            exchange = sasl.begin("PLAIN")
            assert exchange is not None
            step = exchange.step(b"bob\0anna\0secret")
            assert isinstance(step, sasl.Login)
            assert not await each.works(step.name, step.password)

    run(main())


def test_a_right_login_is_remembered_for_a_while(store: Store, checks: list[str | None]) -> None:
    async def main() -> None:
        async with world(store, AuthSettings(cache_s=60.0)) as each:
            for peer in (HERE, HERE, ELSEWHERE):
                assert await each.works(peer=peer)
            assert len(checks) == 1
            each.clock[0] = 61.0
            assert await each.works()
            assert len(checks) == 2
            assert not await each.works(password="wrong")
            assert len(checks) == 3

    run(main())


def test_a_changed_password_and_a_disabled_account_count_at_once(store: Store) -> None:
    async def main() -> None:
        async with world(store) as each:
            assert await each.works()
            await store.run(accounts.set_secret, each.anna.owner, NEW_SECRET)
            assert not await each.works()
            assert await each.works(password="new")
            await store.run(accounts.set_state, each.anna.owner, AccountState.DISABLED)
            assert not await each.works(password="new")
            await store.run(accounts.set_state, each.anna.owner, AccountState.ACTIVE)
            assert await each.works(password="new")
            await store.run(accounts.set_secret, each.anna.owner, None)
            assert not await each.works(password="new")

    run(main())


def test_a_password_changed_while_an_attempt_waits_counts_too(store: Store) -> None:
    async def main() -> None:
        async with world(store, AuthSettings(max_delay_s=1.0)) as each:
            for _ in range(3):
                await each.works(password="wrong")
            old, new = each.works(), each.works(password="new")
            tasks = asyncio.gather(old, new)
            await asyncio.sleep(0)
            await store.run(accounts.set_secret, each.anna.owner, NEW_SECRET)
            assert await tasks == [False, True]

    run(main())


def test_a_password_changed_while_the_old_one_is_hashed_counts_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    verify: Callable[[str | None, str], bool] = passwords.verify

    def slow(secret: str | None, password: str) -> bool:
        begun.set()
        go_on.wait(PATIENCE_S)
        return verify(secret, password)

    monkeypatch.setattr(passwords, "verify", slow)

    async def main() -> None:
        async with world(store) as each:
            for change in (
                lambda: store.run(accounts.set_state, each.anna.owner, AccountState.DISABLED),
                lambda: store.run(accounts.set_secret, each.anna.owner, NEW_SECRET),
            ):
                await store.run(accounts.set_state, each.anna.owner, AccountState.ACTIVE)
                begun.clear()
                go_on.clear()
                each.clock[0] += 1000.0
                task = asyncio.create_task(each.works())
                assert await asyncio.to_thread(begun.wait, PATIENCE_S)
                await change()
                go_on.set()
                assert not await task

    run(main())


def test_equal_logins_at_once_are_checked_once(store: Store, checks: list[str | None]) -> None:
    async def main() -> None:
        async with world(store) as each:
            assert await asyncio.gather(*(each.works() for _ in range(20))) == [True] * 20
            assert len(checks) == 1
            checks.clear()
            each.clock[0] = 1e6
            guesses = [each.works(password=password, peer=THIRD) for password in ("x", "secret", "y", "secret", "x")]
            assert await asyncio.gather(*guesses) == [False, True, False, True, False]
            assert len(checks) == 3

    run(main())


def test_a_caller_who_goes_away_does_not_end_the_attempt_of_the_others(store: Store) -> None:
    async def main() -> None:
        async with world(store) as each:
            tasks = [asyncio.create_task(each.works()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            assert await asyncio.gather(*tasks[1:]) == [True, True]
            assert tasks[0].cancelled()

    run(main())


def test_a_guesser_waits_and_nobody_else_does(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            assert await each.works(peer=ELSEWHERE)  # anna at home
            assert [await each.works(password=f"guess {n}") for n in range(3)] == [False] * 3
            slowed = [asyncio.create_task(each.works(password=f"guess {n}")) for n in range(3)]
            done, _ = await asyncio.wait(slowed, timeout=0.2)
            assert not done
            assert await each.works(peer=ELSEWHERE)
            await store.run(accounts.set_state, each.bob.owner, AccountState.ACTIVE)
            assert await each.works("bob", peer=THIRD)
            for task in slowed:
                task.cancel()

    run(main())


def test_after_the_wait_the_right_password_is_right(store: Store) -> None:
    async def main() -> None:
        async with world(store, AuthSettings(max_delay_s=0.05)) as each:
            for number in range(8):
                assert not await each.works(password=f"guess {number}")
            assert await each.works()

    run(main())


def test_a_burst_of_guesses_meets_the_count_of_those_before_it(store: Store, checks: list[str | None]) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            tasks = [asyncio.create_task(each.works(password=f"guess {number}")) for number in range(100)]
            _, pending = await asyncio.wait(tasks, timeout=1.0)
            assert len(checks) <= 7  # 3 that are free, and 4 that were under way with the last of them
            assert pending
            for task in pending:
                task.cancel()

    run(main())


def test_hanging_up_does_not_shorten_the_wait(store: Store, checks: list[str | None]) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            for number in range(3):
                await each.works(password=f"guess {number}")
            checks.clear()
            for number in range(login.ATTEMPTS_AT_ONCE):
                task = asyncio.create_task(each.works(password=f"new guess {number}"))
                await asyncio.sleep(0)
                task.cancel()
            task = asyncio.create_task(each.works())  # the right one, but all turns are taken
            done, _ = await asyncio.wait([task], timeout=0.2)
            assert not done
            assert checks == []
            task.cancel()

    run(main())


def test_the_line_of_a_slowed_address_is_bounded_and_says_not_now(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            assert await each.works(peer=ELSEWHERE)
            for number in range(3):
                await each.works(password=f"guess {number}")
            line = [asyncio.create_task(each.works(password=str(n))) for n in range(login.MAX_SLOWED_LINE)]
            await asyncio.wait(line, timeout=1.0)
            with pytest.raises(Unavailable):
                await each.auth.login("anna", "secret", HERE)
            assert await each.works(peer=ELSEWHERE)
            for task in line:
                task.cancel()

    run(main())


def test_a_remembered_password_is_no_way_to_guess_without_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted pair may ask its memory at once, but never while guesses of the same pair are under way."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    verify: Callable[[str | None, str], bool] = passwords.verify

    def held(secret: str | None, password: str) -> bool:
        begun.release()
        if password != "secret":
            go_on.wait(PATIENCE_S)
        return verify(secret, password)

    monkeypatch.setattr(passwords, "verify", held)

    async def main() -> None:
        async with world(store, LONG) as each:
            assert await each.works()
            begun.acquire()
            guesses = [asyncio.create_task(each.works(password=f"guess {n}")) for n in range(login.ATTEMPTS_AT_ONCE)]
            for _ in guesses:
                assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE_S)
            right = asyncio.create_task(each.works())
            done, _ = await asyncio.wait([right], timeout=0.3)
            assert not done
            go_on.set()
            assert await asyncio.gather(*guesses) == [False] * login.ATTEMPTS_AT_ONCE
            right.cancel()

    run(main())


def test_the_loop_goes_on_while_a_password_is_hashed(store: Store) -> None:
    async def main() -> None:
        async with world(store) as each:
            secret = await asyncio.to_thread(passwords.hash_password, "long")
            await store.run(accounts.set_secret, each.anna.owner, secret)
            task, turns = asyncio.create_task(each.works(password="long")), 0
            while not task.done():
                await asyncio.sleep(0.001)
                turns += 1
            assert await task
            assert turns >= 10  # of the two hundred that 0.2 s have

    run(main())


def test_close_ends_what_is_under_way(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            for number in range(3):
                await each.works(password=f"guess {number}")
            task = asyncio.create_task(each.works())
            await asyncio.sleep(0)
            each.auth.close()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


KEYS = scram.pack(scram.make("secret", salt=b"sixteen octets..", iterations=4096))


async def proved(here: World, name: str, password: str, auth: Authenticator | None = None) -> bool:
    """Whether a client that proves this password is let in."""
    auth = auth or here.auth
    client = ScramClient(name, password)
    conversation = begin("SCRAM-SHA-256", auth, {}, HERE, tls=True)
    assert conversation is not None

    async def ask(challenge: bytes) -> bytes | None:
        return client.answer(challenge)

    try:
        account = await conversation.run(None, ask)
    except LoginFailed:
        assert not client.verified
        return False
    assert account is not None
    assert client.verified
    return account.login == f"anna@{DOMAIN}"


def test_scram(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            assert not await proved(here, "anna", "secret")  # there are no keys of this password yet
            await store.run(accounts.set_secret, here.anna.owner, SECRET, KEYS)
            await store.run(accounts.set_secret, here.bob.owner, SECRET, KEYS)
            assert await proved(here, "anna", "secret")
            assert await proved(here, f"ANNA@{DOMAIN}", "secret")
            assert await here.works("anna", "secret")
            assert not await proved(here, "anna", "wrong")
            for name in (*NOT_NAMES[:5], "a b", "anna@other.example"):  # bob is disabled
                assert not await proved(here, name, "secret"), name
            await store.run(accounts.set_secret, here.anna.owner, NEW_SECRET)  # the old keys go with the old password
            assert not await proved(here, "anna", "secret")

    asyncio.run(main())


def test_a_password_that_changes_during_the_exchange(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await store.run(accounts.set_secret, here.anna.owner, SECRET, KEYS)
            client = ScramClient("anna", "secret")
            conversation = begin("scram-sha-256", here.auth, {}, HERE, tls=True)
            assert conversation is not None

            async def ask(challenge: bytes) -> bytes | None:
                await store.run(accounts.set_secret, here.anna.owner, NEW_SECRET, KEYS.replace("4096", "4097"))
                return client.answer(challenge)

            with pytest.raises(LoginFailed):
                await conversation.run(client.first, ask)

    asyncio.run(main())


def test_a_name_that_nobody_has_looks_like_one(store: Store) -> None:
    """The same salt each time, in each process; and wrong proofs are slowed as wrong passwords are."""

    async def main() -> None:
        async with world(store) as here:
            other = Authenticator(store, (DOMAIN,), AuthSettings())
            first, again = await here.auth.scram_keys("nobody"), await other.scram_keys("nobody")
            assert first == again
            assert first.salt != (await other.scram_keys("somebody")).salt
            assert first.iterations == AuthSettings().scram_iterations
            other.close()

    asyncio.run(main())


def test_guesses_by_scram_are_slowed(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as here:
            await store.run(accounts.set_secret, here.anna.owner, SECRET, KEYS)
            for _ in range(LONG.free_failures):
                assert not await proved(here, "anna", "wrong")
            slowed = asyncio.ensure_future(proved(here, "anna", "secret"))
            assert not (await asyncio.wait([slowed], timeout=0.5))[0]
            slowed.cancel()
            await asyncio.gather(slowed, return_exceptions=True)

    asyncio.run(main())


def test_without_keys_there_is_no_scram(store: Store) -> None:
    async def main() -> None:
        async with world(store, AuthSettings(scram_iterations=0)) as here:
            assert not here.auth.offers_scram
            assert begin("SCRAM-SHA-256", here.auth, {}, HERE, tls=True) is None
        async with world_again(store) as auth:
            assert begin("SCRAM-SHA-256-PLUS", auth, {}, HERE, tls=True) is None  # there is nothing to bind to
            assert begin("SCRAM-SHA-256-PLUS", auth, {"tls-exporter": b"x"}, HERE, tls=True) is not None

    asyncio.run(main())


@asynccontextmanager
async def world_again(store: Store) -> AsyncIterator[Authenticator]:
    auth = Authenticator(store, (DOMAIN,), AuthSettings())
    yield auth
    auth.close()
