"""Who gets an address: claimed before what it leads to is made, released after that is gone.

What must stay true: an address has one row, so that nobody gets what somebody has; a group has its own address and
those beside it (``team-join@``, ``team-leave@``, ``team-owner@``, ``team-request@``), all of them or none.
"""

import sqlalchemy as sa

from opostd.model.errors import AddressTaken, BadAddress
from opostd.model.ids import SYSTEM_OWNER, BoxId
from opostd.model.records import Address, AddressKind, ServiceKind, service_address
from opostd.store import accounts, schema
from opostd.store.dialect import inserted
from opostd.store.run import Group, Tx, writes

_address = schema.address


@writes(Group.DIRECTORY)
def claim(tx: Tx, wanted: Address) -> Address:
    """The address as it is afterwards: this one, or the one that was there."""
    return _claim(tx, wanted)


def _claim(tx: Tx, wanted: Address) -> Address:
    row = {
        "addr": wanted.addr,
        "owner_id": wanted.owner,
        "kind": int(wanted.kind),
        "box_id": wanted.box,
        "target": wanted.target,
    }
    if inserted(tx, _address, row):
        return wanted
    found = accounts.address(tx, wanted.addr)
    assert found is not None  # SQLite has one writer; on PostgreSQL what was in the way is committed
    return found


@writes(Group.DIRECTORY)
def claim_group(tx: Tx, addr: str, box: BoxId) -> Address:
    """``claim`` of a group's address and those beside it.  box: of a new source.

    Raises AddressTaken where one beside it is somebody's, BadAddress where one would be too long.
    """
    found = _claim(tx, Address(addr, SYSTEM_OWNER, AddressKind.SOURCE, box, ""))
    if found.kind is not AddressKind.SOURCE:
        return found
    for kind in ServiceKind:
        beside = service_address(addr, kind)
        if len(beside.rpartition("@")[0].encode()) > accounts.MAX_LOCAL_OCTETS:
            raise BadAddress(f"{addr} is too long for a group, which has {beside} too")
        service = _claim(tx, Address(beside, SYSTEM_OWNER, AddressKind.SERVICE, found.box, kind.value))
        if (service.kind, service.box) != (AddressKind.SERVICE, found.box):
            raise AddressTaken(f"{beside} is taken, which {addr} needs")
    return found


@writes(Group.DIRECTORY)
def release(tx: Tx, addr: str, kind: AddressKind) -> None:
    """Anybody may have it; again is no error."""
    _release(tx, addr, kind)


def _release(tx: Tx, addr: str, kind: AddressKind) -> None:
    tx.execute(sa.delete(_address).where(_address.c.addr == addr, _address.c.kind == int(kind)))


@writes(Group.DIRECTORY)
def release_group(tx: Tx, addr: str) -> None:
    """``release`` of a group's address and those beside it."""
    _release(tx, addr, AddressKind.SOURCE)
    for kind in ServiceKind:
        _release(tx, service_address(addr, kind), AddressKind.SERVICE)


@writes(Group.DIRECTORY)
def set_target(tx: Tx, addr: str, target: str) -> None:
    """Where an alias leads."""
    tx.execute(sa.update(_address).where(_address.c.addr == addr).values(target=target))
