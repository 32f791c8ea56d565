"""Commands for every state: CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE, NAMESPACE."""

from opostd.imap.session import IMAP4REV2, UTF8_ACCEPT, Reply, Session
from opostd.imap.values.commands import Bare, Enable, Id
from opostd.imap.values.responses import Capability, Condition, Enabled, IdData, Namespaces, State

ENABLED_HERE: frozenset[str] = frozenset({"CONDSTORE", "QRESYNC", "UIDONLY", UTF8_ACCEPT, IMAP4REV2})
"""Capabilities that ENABLE turns on; those of others are no error, they are only not listed (RFC 5161 3.1)."""


SPELLED = {IMAP4REV2: "IMAP4rev2"}


async def capability(session: Session, _: Bare) -> Reply:
    yield Capability(session.wire.capabilities())


async def noop(session: Session, _: Bare) -> Reply:
    """Brings the selected box up to date; the connection shows what is new (RFC 9051 6.1.2; CHECK: RFC 3501 6.4.1)."""
    if session.selected is not None:
        await session.selected.live.bring_up()
    return
    yield


async def logout(session: Session, _: Bare) -> Reply:
    session.deselect()
    session.loggingout = True
    yield State(Condition.BYE, "until next time")


async def id_(session: Session, _: Id) -> Reply:
    """The name alone: no version anywhere (security.md 1.1; RFC 2971 3.3 leaves all fields to choice)."""
    yield IdData((("name", "opostd"),))


async def enable(session: Session, command: Enable) -> Reply:
    names = tuple(name for name in command.capabilities if name in ENABLED_HERE)
    yield Enabled(tuple(SPELLED.get(name, name) for name in names))
    if not session.manner.modseqs and not {"CONDSTORE", "QRESYNC"}.isdisjoint(names):
        for response in session.condstore():
            yield response
    session.enabled.update(names)


async def namespace(session: Session, _: Bare) -> Reply:
    yield Namespaces()
