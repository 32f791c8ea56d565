"""The commands of a session: which lines are commands, and those of the greeting and the envelope.

RFC 5321, 2033 (LMTP), 4954 (AUTH), 3207 (STARTTLS), 3030 (BDAT): the last three have files of their own.
"""

import asyncio

from opostd.intake.route import NOTHING, Known
from opostd.model.errors import BadAddress
from opostd.smtp import ahead, path, transaction
from opostd.smtp import reply as say
from opostd.smtp.connection import HTTP_VERBS, Cut, log
from opostd.smtp.faults import reply_to
from opostd.smtp.login import MAX_AUTH_LINE, LoginCommands
from opostd.smtp.message import MessageCommands
from opostd.smtp.params import mail_params, rcpt_params
from opostd.smtp.reply import Reply
from opostd.smtp.starttls import TlsCommands

MAX_LINE = 512  # RFC 5321 4.5.3.1.4
MAX_EXTENDED_LINE = 2048  # room for what MAIL and RCPT grow by: SIZE, SMTPUTF8, AUTH, ENVID, ORCPT


class SmtpSession(MessageCommands, LoginCommands, TlsCommands):
    """One connection."""

    async def _command(self, line: bytes) -> None:
        verb_octets, _, rest = line[:-2].partition(b" ")
        verb = verb_octets.upper().decode("latin-1")
        if verb in HTTP_VERBS:
            log.warning("cut peer=%s reason=http", self.peer)
            raise Cut(None)
        if verb.startswith("BDAT"):
            return await self._bdat(line[:-2])
        limit = MAX_AUTH_LINE if verb == "AUTH" else MAX_EXTENDED_LINE if self.state.extended else MAX_LINE
        method = self._smtp_methods.get(verb)
        if len(line) > limit:
            await self._answer(say.LINE_TOO_LONG)
            return
        if method is None:
            await self._answer(say.UNKNOWN_COMMAND)
            return
        if rest.isascii():
            argument = rest.decode("ascii").strip(" ")
        else:
            if verb not in {"MAIL", "RCPT"}:
                await self._answer(say.BAD_OCTETS)
                return
            try:
                argument = rest.decode("utf-8").strip(" ")
            except UnicodeDecodeError:
                await self._answer(say.NEEDS_SMTPUTF8)
                return
        try:
            await method(argument)
        except (Cut, asyncio.IncompleteReadError, ConnectionError):
            raise
        except Exception as error:
            await self._answer(reply_to(error))

    # -- the greeting --------------------------------------------------------------------------------------------

    async def _hello(self, name: str, *, extended: bool) -> None:
        if not name:
            await self._answer(say.NO_ARGUMENT)
        elif not path.is_hello_name(name):
            await self._answer(say.BAD_HELLO)
        else:
            keywords = self._keywords if extended else ()
            self._say(self._apply(transaction.Hello(name, self.door.hostname, extended, keywords)))

    async def smtp_EHLO(self, hostname: str) -> None:
        await (self._answer(say.UNKNOWN_COMMAND) if self._policy.lhlo else self._hello(hostname, extended=True))

    async def smtp_HELO(self, hostname: str) -> None:
        await (self._answer(say.UNKNOWN_COMMAND) if self._policy.lhlo else self._hello(hostname, extended=False))

    async def smtp_LHLO(self, hostname: str) -> None:
        await (self._hello(hostname, extended=True) if self._policy.lhlo else self._answer(say.UNKNOWN_COMMAND))

    # -- the transaction -----------------------------------------------------------------------------------------

    async def smtp_MAIL(self, arg: str | None) -> None:
        if (refusal := transaction.check_order(self.state, transaction.Mail, self._rules)) is not None:
            return await self._answer(refusal)
        text = self._after_keyword("FROM:", arg or "")
        if text is None:
            return await self._answer(say.BAD_MAIL_SYNTAX)
        try:
            sender, words = path.reverse_path(text)
        except BadAddress:
            return await self._answer(say.BAD_SENDER)
        if words and not self.state.extended:
            return await self._answer(say.UNKNOWN_PARAMETER)
        mail = transaction.Mail(sender, mail_params(words, self._mail_names))
        refusal = transaction.check_mail(mail, self._rules)
        if refusal is None and self.door.hooks.too_far(mail.params):
            refusal = say.BAD_PARAMETER
        if refusal is None:
            refusal = await self._call_handler_hook("MAIL", sender)
        if refusal is not None:
            return await self._answer(refusal)
        self._ahead = 0
        self._say(self._apply(mail))

    async def smtp_RCPT(self, arg: str | None) -> None:
        self._ahead -= 1
        if (refusal := transaction.check_order(self.state, transaction.Rcpt, self._rules)) is not None:
            return await self._answer(refusal)
        text = self._after_keyword("TO:", arg or "")
        if text is None:
            return await self._answer(say.BAD_RCPT_SYNTAX)
        try:
            recipient, words = path.forward_path(text)
        except BadAddress:
            return await self._refuse_rcpt(say.BAD_RECIPIENT)
        if words and not self.state.extended:
            return await self._answer(say.UNKNOWN_PARAMETER)
        rcpt = transaction.Rcpt(recipient, rcpt_params(words, self._rcpt_names))
        if (refusal := transaction.check_rcpt(self.state, rcpt, self._rules)) is not None:
            return await self._refuse_rcpt(refusal)
        try:
            places = await self._call_handler_hook("RCPT", recipient, await self._looked_up(recipient))
        except Cut:
            raise
        except Exception as error:
            return await self._refuse_rcpt(reply_to(error))
        if isinstance(places, Reply):
            return await self._refuse_rcpt(places)
        self._say(self._apply(transaction.Rcpt(rcpt.path, rcpt.params, places)))

    async def _looked_up(self, recipient: path.Path) -> Known:
        """What is known of this recipient; of one who pipelines it is asked for all that have come, together."""
        if self._ahead <= 0 and (others := ahead.recipients(self._reader._buffer)):  # type: ignore[attr-defined]
            self._known = await self.door.hooks.ahead([recipient.address, *others])
            self._ahead = len(others) + 1
        return self._known if self._ahead > 0 else NOTHING

    async def _refuse_rcpt(self, refusal: Reply) -> None:
        """Harvesting costs time: [10] refusals a second and peer, [20] in a connection (security.md 1.2)."""
        self._apply(transaction.Refusal(refusal))
        if refusal.code >= 500 and not self._policy.patient:
            self._unknown += 1
            if self._unknown >= self._timing.max_unknown_recipients:
                raise Cut(say.TOO_MANY_UNKNOWN)
            await self._punish()
            wait_s = self.door.pace.wait_s(self.peer_host, self.loop.time())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
        self._say(refusal)

    @staticmethod
    def _after_keyword(keyword: str, arg: str) -> str | None:
        """What follows ``FROM:`` or ``TO:``, from the ``<`` on; a space before it is a common mistake."""
        if arg[: len(keyword)].upper() != keyword:
            return None
        text = arg[len(keyword) :].lstrip(" ")
        return text if text.startswith("<") else None

    async def smtp_RSET(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        self._say(self._apply(transaction.Reset()))

    # -- commands that change nothing ----------------------------------------------------------------------------

    async def smtp_NOOP(self, arg: str | None) -> None:
        self._say(say.OK)

    async def smtp_HELP(self, arg: str | None) -> None:
        self._say(say.HELP)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """The same for known and unknown (security.md 1.1)."""
        await self._answer(say.CANNOT_VERIFY if arg else say.NO_ARGUMENT)

    async def smtp_EXPN(self, arg: str | None) -> None:
        await self._answer(say.NOT_IMPLEMENTED)

    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        raise Cut(say.BYE)
