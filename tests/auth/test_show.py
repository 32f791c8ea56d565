"""Logins by token through the Authenticator: who is counted, who is not, and that equal ones at once are one."""

import asyncio
from dataclasses import dataclass, field

from opostd.auth.claims import Expired
from opostd.auth.login import Authenticator
from opostd.auth.sasl import Bearer
from opostd.config import AuthSettings
from opostd.model.errors import LoginFailed, OpostError, Unavailable
from opostd.store import accounts
from opostd.store.run import Store
from tests.auth.test_login import DOMAIN, ELSEWHERE, HERE, LONG, PATIENCE_S, run, world


@dataclass
class Known:
    """Whose a token is, without an issuer: a name, or what is raised.  gate: holds answers back."""

    answers: dict[str, str | OpostError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    scope: str = ""
    configuration: str = ""

    async def login_of(self, token: str) -> str:
        self.asked.append(token)
        await self.gate.wait()
        answer = self.answers.get(token, LoginFailed("unknown"))
        if isinstance(answer, OpostError):
            raise answer
        return answer


async def _works(auth: Authenticator, token: str, name: str = "", peer: str = HERE) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        try:
            return (await auth.show(Bearer(name, token), peer)).login == f"anna@{DOMAIN}"
        except LoginFailed:
            return False


def test_equal_ones_at_once_are_one_and_count_once(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            each.auth.tokens = known = Known({"right": "anna"})
            many = [
                asyncio.create_task(_works(each.auth, token, "anna")) for token in ("old", "right") for _ in range(9)
            ]
            await asyncio.sleep(0)
            known.gate.set()
            assert sorted(await asyncio.gather(*many)) == [False] * 9 + [True] * 9
            assert sorted(known.asked) == ["old", "right"]

    run(main())


def test_guesses_are_slowed_and_passing_faults_are_no_guesses(store: Store) -> None:
    async def main() -> None:
        async with world(store, LONG) as each:
            each.auth.tokens = known = Known({"right": "anna", "old": Expired("x"), "away": Unavailable("x")})
            known.gate.set()
            for number in range(20):
                for token in ("old", "away"):
                    try:
                        await each.auth.show(Bearer("anna", token), HERE)
                    except (Expired, Unavailable):
                        continue
                    raise AssertionError(number)
            assert await _works(each.auth, "right", "anna")  # at once: nothing was counted
            for number in range(3):
                assert not await _works(each.auth, f"guess {number}", "anna", ELSEWHERE)
            guess = asyncio.create_task(_works(each.auth, "guess", "anna", ELSEWHERE))
            assert await _works(each.auth, "right", "anna")  # who is known here is not slowed
            assert not guess.done()
            assert "guess" not in known.asked
            guess.cancel()

    run(main())


def test_a_user_without_a_password_logs_in_by_token_only(store: Store) -> None:
    async def main() -> None:
        async with world(store, AuthSettings(max_delay_s=0.01)) as each:
            each.auth.tokens = known = Known({"right": "Anna@OPOST.example"})
            known.gate.set()
            await store.run(accounts.set_secret, each.anna.owner, None)
            assert await _works(each.auth, "right")
            assert not await each.works()
            for name in ("bob", "nobody", "sales", "team", "\0", "x" * 2000, "anna@other.example"):
                assert not await _works(each.auth, "right", name)
            for login in ("", "sales", "team", "everyone", "bob", f"root@{DOMAIN}", "a b"):
                known.answers["right"] = login
                assert not await _works(each.auth, "right")
            assert not await _works(each.auth, "")

    run(main())
