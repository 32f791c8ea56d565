"""Sharing, where the directory is asked: whom the list of a box may name (RFC 4314 2), and whose a box is."""

from collections.abc import Sequence

from opostd.model.errors import BadAddress, NoSuchAddress, NoSuchBox
from opostd.model.records import AddressKind, Box
from opostd.model.rights import ANYONE, Grantee, GranteeKind
from opostd.store import accounts, boxes, shared
from opostd.store.names import SEPARATOR
from opostd.store.provision import EVERYONE
from opostd.store.run import Store

GROUP_MARK = "$"


async def grantee_named(store: Store, domains: Sequence[str], name: str) -> Grantee:
    """``anyone``, a login with or without its domain, or a group by its address or as ``$team``.

    domains: ours; the first completes a name without one.  An alias is nobody, for whom it leads to may change; so is
    `everyone`, whose readers are not counted: that is ``anyone``.  Raises NoSuchAddress.
    """
    if name.lower() == "anyone":
        return ANYONE
    try:
        addr = accounts.fold_address(name.removeprefix(GROUP_MARK), domains)
    except BadAddress:
        raise NoSuchAddress("there is no such user or group") from None
    found = await store.run(accounts.address, addr)
    if found is not None and found.kind is AddressKind.USER and not name.startswith(GROUP_MARK):
        return Grantee(GranteeKind.PERSON, found.owner)
    if found is not None and found.kind is AddressKind.SOURCE and addr.partition("@")[0] != EVERYONE:
        return Grantee(GranteeKind.GROUP, found.box)
    raise NoSuchAddress("there is no such user or group")


async def box_at(store: Store, domains: Sequence[str], name: str) -> Box:
    """``team/2026`` of what is nobody's, or ``anna@example.org/Plans``: names as readers see them, without ``Shared/``.

    For administrators: no rights are asked for.  Raises NoSuchBox, NoSuchAddress, BadAddress.
    """
    first, _, rest = name.partition(SEPARATOR)
    if "@" in first:
        found = await store.run(accounts.address, accounts.fold_address(first, domains))
        if found is None or found.kind is not AddressKind.USER:
            raise NoSuchAddress(f"there is no user {first}")
        return await store.run(boxes.box_named, found.owner, rest)
    tree = await store.run(shared.tree, first)
    if tree is None:
        raise NoSuchBox(f"there is no shared mailbox {first}")
    return await store.run(boxes.box_named, tree.owner, name)
