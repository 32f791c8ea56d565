"""STARTTLS, LOGIN, AUTHENTICATE, UNAUTHENTICATE (RFC 9051 6.2, RFC 8437; SASL-IR: RFC 4959; PLAIN: RFC 4616).

No password is taken before TLS, but on loopback where the settings say so; and on one connection only a few wrong
ones (security.md 1.4).  How slow a wrong one is answered is ``auth.throttle``'s.
"""

from opostd.auth import sasl
from opostd.auth.exchange import begin
from opostd.imap.faults import PrivacyRequired, reply
from opostd.imap.limits import MAX_FAILED_LOGINS
from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Authenticate, Bare, Login
from opostd.imap.values.responses import Condition, Continue, Done, State
from opostd.model.errors import LoginFailed
from opostd.model.records import Account

CANCEL = b"*"  # a line that ends an exchange (RFC 9051 6.2.2)


async def starttls(session: Session, _: Bare) -> Reply:
    """TLS begins behind the tagged OK; what was sent behind the command is dropped (RFC 9051 6.2.1)."""
    if not session.wire.tls_offered:
        yield Done(Condition.BAD, "TLS is there already" if session.wire.tls else "TLS is not offered here")
        return
    session.wire.start_tls_after_reply()
    yield Done(Condition.OK, "begin TLS now")


async def login(session: Session, command: Login) -> Reply:
    _private(session)
    try:
        account = await session.services.auth.login(command.user, command.password, session.wire.peer)
    except LoginFailed as error:
        for response in _failed(session, error):
            yield response
        return
    yield _entered(session, account)


async def unauthenticate(session: Session, _: Bare) -> Reply:
    """The user is gone, and the connection may be another's (RFC 8437)."""
    session.deselect()
    session.wire.log_out_after_reply()
    yield Done(Condition.OK, "log in again")


async def authenticate(session: Session, command: Authenticate) -> Reply:
    """One SASL exchange: challenges in base64, ``*`` cancels it, bad base64 or a bad response is BAD."""
    _private(session)
    wire = session.wire
    conversation = begin(command.mechanism, session.services.auth, wire.channel_bindings, wire.peer, tls=wire.tls)
    if conversation is None:
        yield Done(Condition.NO, "this mechanism is not offered")
        return

    async def ask(challenge: bytes) -> bytes | None:
        await wire.send(Continue(sasl.encode(challenge).encode("ascii")))
        line = await wire.line()
        return None if line == CANCEL else sasl.decode(line)

    try:
        account = await conversation.run(command.initial, ask)
    except sasl.BadExchange:
        yield Done(Condition.BAD, "no response that this mechanism knows")
    except LoginFailed as error:
        for each in _failed(session, error):
            yield each
    else:
        yield Done(Condition.BAD, "cancelled") if account is None else _entered(session, account)


def _private(session: Session) -> None:
    if not session.wire.tls and not session.wire.plaintext_allowed:
        raise PrivacyRequired("a password needs TLS: STARTTLS first, or the TLS port")


def _entered(session: Session, account: Account) -> Done:
    session.wire.logged_in(account)
    return Done(Condition.OK, "logged in", b"CAPABILITY " + " ".join(session.wire.capabilities()).encode("ascii"))


def _failed(session: Session, error: LoginFailed) -> list[State | Done]:
    """NO, and after the last attempt BYE before it."""
    session.failed_logins += 1
    session.services.counts.failed_logins["imap"] += 1
    status = reply(error, "")
    answer = Done(status.condition, status.text, status.code)
    if session.failed_logins < MAX_FAILED_LOGINS:
        return [answer]
    session.loggingout = True
    return [State(Condition.BYE, "too many failed logins"), answer]
