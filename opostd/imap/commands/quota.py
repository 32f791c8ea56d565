"""GETQUOTA, GETQUOTAROOT (RFC 9208 4.1): one root for each account, which all its mailboxes share.

A resource without a limit is not shown.  MAILBOX always has one, so that a root is never without a resource.
"""

from opostd.imap.access import find
from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Mailbox
from opostd.imap.values.quota import GetQuota, QuotaData, QuotaRoots, Resource
from opostd.imap.values.responses import Condition, Done
from opostd.model.rights import Rights
from opostd.store import boxes
from opostd.store import quota as store_quota
from opostd.store.names import is_shared

ROOT = b""
STORAGE_UNIT = 1024  # RFC 9208 5.1
NO_ROOT = Done(Condition.NO, "no such quota root")


async def getquota(session: Session, command: GetQuota) -> Reply:
    yield NO_ROOT if command.root != ROOT else await _quota(session)


async def getquotaroot(session: Session, command: Mailbox) -> Reply:
    """Of a box that another shares, no root: what its owner has is theirs.  One that is not there may yet be made."""
    if is_shared(command.name):
        await find(session, command.name, Rights.READ)
        yield QuotaRoots(command.name, ())
        return
    yield QuotaRoots(command.name, (ROOT,))
    yield await _quota(session)


async def _quota(session: Session) -> QuotaData:
    services = session.services
    limits, usage = await services.store.run(store_quota.quota, session.user.owner, services.quota)
    resources = [
        Resource(b"STORAGE", _units(usage.octets), _units(limits.storage_octets)),
        Resource(b"MESSAGE", usage.messages, limits.messages),
        Resource(b"MAILBOX", usage.boxes, boxes.MAX_BOXES),
    ]
    return QuotaData(ROOT, tuple(each for each in resources if each.limit))


def _units(octets: int) -> int:
    return -(-octets // STORAGE_UNIT)
