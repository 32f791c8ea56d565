"""AUTH (RFC 4954): the mechanisms are ``opostd.auth``'s, the lines are ours."""

from opostd.auth import sasl
from opostd.auth.exchange import begin
from opostd.model.errors import LoginFailed, Unavailable
from opostd.smtp import reply as say
from opostd.smtp import transaction
from opostd.smtp.connection import Cut, log
from opostd.smtp.faults import reply_to
from opostd.smtp.session import Session

MAX_AUTH_LINE = 12288  # RFC 4954 4


class LoginCommands(Session):
    """Who it is."""

    async def smtp_AUTH(self, arg: str | None) -> None:
        if not self._policy.login or self.door.auth is None:
            return await self._answer(say.AUTH_NOT_HERE)
        if (refusal := transaction.check_order(self.state, transaction.Auth, self._rules)) is not None:
            return await self._answer(refusal)
        if not self._may_login:
            return await self._answer(say.ENCRYPTION_NEEDED)
        if self.account is not None:
            return await self._answer(say.AUTH_ALREADY)
        if not arg:
            return await self._answer(say.NO_ARGUMENT)
        mechanism, _, initial = arg.partition(" ")
        conversation = begin(mechanism, self.door.auth, {}, self.peer_host, tls=self.secure)
        if conversation is None:
            return await self._answer(say.UNKNOWN_MECHANISM)
        try:
            account = await conversation.run(sasl.decode(initial) if initial else None, self._ask)
        except sasl.BadExchange:
            return await self._answer(say.BAD_AUTH)
        except LoginFailed:
            self._failed_logins += 1
            self.door.counts.failed_logins["smtp"] += 1
            log.warning("login-failed peer=%s name=%r", self.peer, conversation.name)
            self._say(say.LOGIN_FAILED)
            if self._failed_logins >= self._timing.max_failed_logins:
                raise Cut(say.TOO_MANY_LOGINS) from None
            return
        except Unavailable as error:
            reply_to(error)  # its line in the log
            self._say(say.LOGIN_UNAVAILABLE)
            return
        if account is None:
            return await self._answer(say.AUTH_CANCELLED)
        self.account = account
        self.door.unknown.leave(self)
        self._learn()
        self._say(say.LOGGED_IN)

    async def _ask(self, challenge: bytes) -> bytes | None:
        """A challenge, and the response to it; None if the client cancels with ``*``."""
        self._say(say.challenge(sasl.encode(challenge)))
        line = (await self._read_line())[:-2]
        if line == b"*":
            return None
        if len(line) > MAX_AUTH_LINE:
            raise sasl.BadExchange
        return sasl.decode(line)
