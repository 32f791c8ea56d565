"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 3).

The owner of a box has all rights, always.  Who is named must be somebody: a login, a group by its address or as
``$team``, or ``anyone``; a dash before it takes rights away that another entry gives (RFC 4314 2).
"""

from opostd.imap.access import Access, find, look
from opostd.imap.session import Reply, Session
from opostd.imap.values.acl import AboutIdentifier, AclData, MyRights, RightsList, SetAcl
from opostd.imap.values.commands import Mailbox
from opostd.intake.sharing import grantee_named
from opostd.model.errors import NotAllowed
from opostd.model.records import AccountState
from opostd.model.rights import ALL_RIGHTS, ANYONE, KNOWN_BY, NO_RIGHTS, Change, Grantee, GranteeKind, Rights
from opostd.store import accounts, acl, shared


async def setacl(session: Session, command: SetAcl) -> Reply:
    await _change(session, command.name, command.identifier, command.how, command.rights)
    return
    yield


async def deleteacl(session: Session, command: AboutIdentifier) -> Reply:
    """No error where there is no such entry: it is not there afterwards."""
    await _change(session, command.name, command.identifier, Change.REPLACE, NO_RIGHTS)
    return
    yield


async def _change(session: Session, name: str, identifier: str, how: Change, rights: Rights) -> None:
    box = await find(session, name, Rights.ADMIN)
    grantee, denied = await _grantee(session, identifier)
    if _is_owner(box, grantee):
        raise NotAllowed("the owner of a mailbox has all rights, always")
    if grantee == ANYONE and rights and not denied and how is not Change.REMOVE and not _may_share_with_anyone(session):
        raise NotAllowed("only an administrator shares a mailbox with anyone")
    await session.services.store.run(acl.change, *box.key, grantee, how, rights, denied=denied)


async def getacl(session: Session, command: Mailbox) -> Reply:
    """The owner first, where the box has one, then names in their order, what is denied behind what is granted."""
    store = session.services.store
    box = await find(session, command.name, Rights.ADMIN)
    owner = await store.run(accounts.account, box.box.owner)
    entries: list[tuple[str, Rights]] = []
    if owner is not None and owner.state is not AccountState.SHARED:
        entries.append((owner.login, ALL_RIGHTS))
    for each in await store.run(acl.named, *box.key):
        entries += [(each.name, each.granted)] if each.granted else []
        entries += [("-" + each.name, each.denied)] if each.denied else []
    yield AclData(box.name, tuple(entries))


async def listrights(session: Session, command: AboutIdentifier) -> Reply:
    box = await find(session, command.name, Rights.ADMIN)
    grantee, denied = await _grantee(session, command.identifier)
    if _is_owner(box, grantee):
        yield RightsList(box.name, command.identifier, NO_RIGHTS if denied else ALL_RIGHTS, grantable=False)
        return
    grantable = grantee != ANYONE or denied or _may_share_with_anyone(session)
    yield RightsList(box.name, command.identifier, NO_RIGHTS, grantable=grantable)


async def myrights(session: Session, command: Mailbox) -> Reply:
    box = await look(session, command.name)
    if not box.rights & KNOWN_BY:
        shared.refuse(NO_RIGHTS)
    yield MyRights(box.name, box.rights)


async def _grantee(session: Session, identifier: str) -> tuple[Grantee, bool]:
    """Whom an identifier names, and whether it is about what is denied to them.  Raises NoSuchAddress."""
    services = session.services
    name = identifier.removeprefix("-")
    return await grantee_named(services.store, services.intake.domains, name), name != identifier


def _is_owner(box: Access, grantee: Grantee) -> bool:
    return grantee == Grantee(GranteeKind.PERSON, box.box.owner)


def _may_share_with_anyone(session: Session) -> bool:
    return session.user.admin or session.services.settings.share_with_anyone
