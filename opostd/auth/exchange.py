"""One login from its mechanism's name to an account, for all doors: the door only carries challenges and responses."""

import secrets
from collections.abc import Awaitable, Callable, Mapping

from opostd.auth import bearer, sasl, scram
from opostd.auth.claims import Insufficient
from opostd.auth.login import Authenticator
from opostd.auth.sasl import BadExchange, Bearer, Login, NeedKeys
from opostd.model.errors import LoginFailed
from opostd.model.records import Account

Exchange = sasl.Exchange | scram.Exchange | bearer.Exchange

NONCE_OCTETS = 18  # 24 characters: RFC 5802 leaves it open, and its examples have so many


class Conversation:
    """name: what the client claims to be, as soon as it has said so; for the log."""

    def __init__(self, auth: Authenticator, exchange: Exchange, peer: str) -> None:
        self.name = ""
        self._auth = auth
        self._exchange = exchange
        self._peer = peer

    async def run(self, initial: bytes | None, ask: Callable[[bytes], Awaitable[bytes | None]]) -> Account | None:
        """The account, or None where the client has cancelled.

        initial: the response that came with the command.  ask: sends a challenge; the response to it, decoded, or None
        for a cancellation.  Raises BadExchange, LoginFailed, Unavailable.
        """
        answer = self._exchange.step(initial)
        while True:
            if isinstance(answer, Login):
                self.name = answer.name
                return await self._auth.login(answer.name, answer.password, self._peer)
            if isinstance(answer, Bearer):
                self.name = answer.name
                return await self._shown(answer, ask)
            if isinstance(answer, NeedKeys):
                assert isinstance(self._exchange, scram.Exchange)
                self.name = answer.name
                answer = self._exchange.keyed(await self._auth.scram_keys(answer.name))
            if isinstance(answer, sasl.Proof):
                account = await self._auth.prove(answer, self._peer)
                response = await ask(answer.signature)
                if response:
                    raise BadExchange  # there is nothing more to say (RFC 5802 5)
                return None if response is None else account
            response = await ask(answer)
            if response is None:
                return None
            answer = self._exchange.step(response)

    async def _shown(self, shown: Bearer, ask: Callable[[bytes], Awaitable[bytes | None]]) -> Account | None:
        """Who is refused is told why, and says nothing to it, before the failure (RFC 7628 3.2.3)."""
        assert isinstance(self._exchange, bearer.Exchange)
        try:
            return await self._auth.show(shown, self._peer)
        except LoginFailed as error:
            refusal = self._exchange.refusal(insufficient=isinstance(error, Insufficient))
            if await ask(refusal) is None:
                return None
            raise


def begin(
    mechanism: str, auth: Authenticator, bindings: Mapping[str, bytes], peer: str, *, tls: bool
) -> Conversation | None:
    """A new login; None for a mechanism that is not offered.

    bindings: channel bindings of the connection by their name; with none there is no SCRAM-SHA-256-PLUS.  tls: without
    it no token is taken.
    """
    name = mechanism.upper() if mechanism.isascii() else ""
    exchange: Exchange | None
    if name == scram.NAME and auth.offers_scram:
        exchange = scram.Exchange(secrets.token_urlsafe(NONCE_OCTETS), bindings, plus=False)
    elif name == scram.PLUS_NAME and auth.offers_scram and bindings:
        exchange = scram.Exchange(secrets.token_urlsafe(NONCE_OCTETS), bindings, plus=True)
    elif name in bearer.NAMES and tls and auth.tokens is not None:
        exchange = bearer.Exchange(name, auth.tokens.scope, auth.tokens.configuration)
    else:
        exchange = sasl.begin(name)
    return None if exchange is None else Conversation(auth, exchange, peer)
