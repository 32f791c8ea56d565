"""People, groups, aliases: flows over directory and owners, which may be two databases.

An address is claimed in the directory first, with the id of what it will lead to; then that is made.  Each step may
be done again, so a flow that broke off in the middle is finished by calling it once more.  What is removed goes in
the order in which it can be found again.
"""

import contextlib
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from opostd.model.errors import AddressTaken, BoxExists, NoSuchAddress, NoSuchBox
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.new_ids import new_box_id, new_owner_id
from opostd.model.records import Account, AccountState, Address, AddressKind, MemberRole, PostPolicy
from opostd.model.rights import Grantee, GranteeKind
from opostd.store import accounts, acl, boxes, directory, nesting, newcomers, schema, sources, subscriptions, sync
from opostd.store.dialect import insert_new, inserted
from opostd.store.newcomers import From
from opostd.store.newcomers import subscribe as subscribe_box
from opostd.store.run import Group, Store, Tx, writes
from opostd.store.sources import ADMINISTRATORS, Member, members, role, source

__all__ = [
    "ADMINISTRATORS", "Member", "add_alias", "add_group", "add_user", "delete_group", "delete_user", "ensure_system",
    "give_role", "join", "leave", "members", "move_subscription", "nest", "remove_alias", "role", "set_expiry",
    "set_history", "set_policy", "source", "subscribe", "take_role", "unnest", "unsubscribe",
]  # fmt: skip

EVERYONE = "everyone"


# The system


async def ensure_system(store: Store, domains: Sequence[str], now: int) -> None:
    """The system's account, and `everyone` of each domain, which administrators write to.  Cheap when it is there."""
    await store.run(sources.ensure_account, SYSTEM_OWNER, "", now)
    for domain in domains:
        addr = f"{EVERYONE}@{domain.lower()}"
        found = await store.run(accounts.address, addr)
        if found is None:
            found = await store.run(directory.claim_group, addr, new_box_id())
        if found.kind is not AddressKind.SOURCE:
            raise AddressTaken(f"{addr} is needed for {EVERYONE}, and is somebody's")
        if await store.run(source, found.box) is None:
            await store.run(sources.add_source, found.box, addr, EVERYONE.capitalize(), PostPolicy.ADMINS, (), now)


# People


@writes(Group.OWNER)
def _add_account(tx: Tx, account: Account, everyone: BoxId | None, now: int) -> bool:
    """The account with all it has from the start, or nothing of it: False where there is one."""
    row = {
        "owner_id": account.owner,
        "login": account.login,
        "name": account.name,
        "secret": account.secret,
        "scram": account.scram,
        "state": int(account.state),
        "admin": account.admin,
        "created": account.created,
        "language": account.language,
    }
    if not inserted(tx, schema.account, row):
        return tx.again  # made by a try before, whose COMMIT had no answer
    new = [(new_box_id(), name, role_) for name, role_ in boxes.DEFAULT_BOXES]
    boxes.insert_boxes(tx, account.owner, new, boxes.uidvalidities(tx, account.owner, len(new), now))
    insert_new(tx, schema.lsub, [{"owner_id": account.owner, "name": name} for _, name, _ in new])
    if everyone is not None:
        subscribe_box(tx, account.owner, new[0][0], [everyone], now)
    return True


async def add_user(
    store: Store,
    addr: str,
    *,
    secret: str | None,
    name: str = "",
    admin: bool = False,
    now: int,
    scram: str | None = None,
    language: str = "",
) -> Account:
    """Somebody who can log in, with the default boxes, who reads `everyone` of the domain from now on.

    addr: folded; secret: an argon2id string, None for no login; scram: keys of the same password; language: a tag of
    RFC 5646.  Raises AddressTaken.
    """
    found = await store.run(directory.claim, Address(addr, new_owner_id(), AddressKind.USER, BoxId(0), ""))
    if found.kind is not AddressKind.USER:
        raise AddressTaken(f"{addr} is taken")
    everyone = await store.run(accounts.address, f"{EVERYONE}@{addr.rpartition('@')[2]}")
    account = Account(found.owner, addr, name, secret, AccountState.ACTIVE, admin, now, scram, language)
    source_box = everyone.box if everyone is not None and everyone.kind is AddressKind.SOURCE else None
    if not await store.run(_add_account, account, source_box, now):
        raise AddressTaken(f"{addr} is taken")
    if admin:
        await store.run(sources.add_role, ADMINISTRATORS, account.owner, addr, MemberRole.SENDER)
    return account


@writes(Group.OWNER)
def _remove_account(tx: Tx, owner: OwnerId) -> None:
    for table in (
        schema.lsub, schema.subscription, schema.set_aside, schema.active, schema.annotation, schema.dismissed,
        schema.session, schema.account,
    ):  # fmt: skip
        tx.execute(sa.delete(table).where(table.c.owner_id == owner))
    tx.hint(owner, BoxId(0), 0)


@writes(Group.OWNER)
def _remove_box(tx: Tx, owner: OwnerId, box: BoxId) -> None:
    with contextlib.suppress(NoSuchBox):
        boxes.remove(tx, owner, box)


async def _forget_grantee(store: Store, grantee: Grantee) -> None:
    """What others have given to somebody, or to a group, is given to nobody any more."""
    for key in await store.run(acl.boxes_naming, grantee):
        await store.run(acl.forget_grantee, *key, grantee)
    if grantee.kind is GranteeKind.GROUP:
        await store.run(acl.forget_mark, grantee)


async def delete_user(store: Store, login: str) -> None:
    """Removes somebody with all boxes, memberships and the address; posts that others have stay theirs.

    Their sessions end.  Aliases that name them stay, and lead nowhere.  Raises NoSuchAddress.
    """
    found = await store.run(accounts.address, login)
    if found is None or found.kind is not AddressKind.USER:
        raise NoSuchAddress(f"there is no user {login}")
    with contextlib.suppress(NoSuchAddress):  # the account went the last time
        await store.run(accounts.set_state, found.owner, AccountState.DISABLED)
    for box in await store.run(boxes.boxes, found.owner):
        await store.run(_remove_box, found.owner, box.box)
    await _forget_grantee(store, Grantee(GranteeKind.PERSON, found.owner))
    await store.run(sources.leave_lists, found.owner)
    await store.run(_remove_account, found.owner)
    await store.run(directory.release, login, AddressKind.USER)  # last: until then this can be called again


# Groups


async def add_group(
    store: Store, addr: str, *, title: str, members: Sequence[OwnerId], post: PostPolicy, now: int
) -> None:
    """A group that its members read from now on.

    Raises AddressTaken, for an address beside it too (``team-owner@``), BadAddress where those would be too long, and
    NoSuchAddress for a member who is not there.
    """
    found = await store.run(directory.claim_group, addr, new_box_id())
    if found.kind is not AddressKind.SOURCE:
        raise AddressTaken(f"{addr} is taken")
    if await store.run(source, found.box) is not None:
        raise AddressTaken(f"{addr} is taken")
    readers = [(owner, await _login(store, owner)) for owner in dict.fromkeys(members)]
    for owner, _ in readers:
        await store.run(sources.join, owner, found.box, now)
    # Last: a group that broke off before has no source yet, and is made by calling this again.
    if not await store.run(sources.add_source, found.box, addr, title, post, readers, now):
        raise AddressTaken(f"{addr} is taken")


async def delete_group(store: Store, addr: str) -> None:
    """Removes a group; what was posted until now reaches its members and stays theirs.  Raises NoSuchAddress."""
    found = await store.run(sources.source_at, addr)
    if found is None:  # but perhaps an address whose group was never made
        await _source_box(store, addr)
    await store.run(directory.release_group, addr)  # from now on 550; the rest is found by its source
    if found is None:
        return
    for member in await store.run(members, found.box):
        await _unsubscribe(store, found.box, member.owner, now=None)
    await _forget_grantee(store, Grantee(GranteeKind.GROUP, found.box))
    await store.run(sources.remove_source, found.box)


async def _source_box(store: Store, addr: str) -> BoxId:
    found = await store.run(accounts.address, addr)
    if found is None or found.kind is not AddressKind.SOURCE:
        raise NoSuchAddress(f"there is no group {addr}")
    return found.box


async def _login(store: Store, owner: OwnerId) -> str:
    account = await store.run(accounts.account, owner)
    if account is None:
        raise NoSuchAddress("there is no such account")
    return account.login


async def join(store: Store, addr: str, owner: OwnerId, now: int) -> None:
    """Somebody reads a source from now on, in their INBOX; who does already stays.  Raises NoSuchAddress.

    The join point is the source's last UID at this moment: what is posted later is shown, what was before is not.
    """
    box, login = await _source_box(store, addr), await _login(store, owner)
    await store.run(sources.join, owner, box, now)
    await store.run(sources.add_role, box, owner, login, MemberRole.READER)


async def leave(store: Store, addr: str, owner: OwnerId, now: int | None = None) -> None:
    """Somebody reads a source no more.  What was posted until now is carried in first, and stays.

    now: SAVEDATE of what is carried in; None is the clock.  Raises NoSuchAddress.
    """
    box = await _source_box(store, addr)
    await _unsubscribe(store, box, owner, now=now)
    await store.run(sources.remove_role, box, owner, MemberRole.READER)


async def _unsubscribe(store: Store, source_box: BoxId, owner: OwnerId, now: int | None) -> None:
    saved = boxes.clock() if now is None else now
    for target in await store.run(sources.targets, owner, source_box):
        with contextlib.suppress(NoSuchBox):  # deleted meanwhile, and the subscription with it
            await _leave_box(store, owner, target, source_box, saved)


async def _leave_box(store: Store, owner: OwnerId, target: BoxId, source_box: BoxId, now: int) -> None:
    step = partial(store.run, sources.leave_step, owner, target, source_box, now)
    await sync.step_by_step(store, (owner, target), now, step)


async def subscribe(
    store: Store, addr: str, owner: OwnerId, *, box: str = "INBOX", since: From | None = None, now: int
) -> int:
    """Somebody reads a source in this box too, from that point on; how many posts of before they were given now.

    since: None is what the source's policy gives to newcomers.  A box that is not there is made and subscribed to, so
    that mail programs show it.  Who reads the source there
    already gets the history they lack.  Raises NoSuchAddress, BadBoxName, LimitReached.
    """
    source_box, login = await _source_box(store, addr), await _login(store, owner)
    target = await _box(store, owner, box, now)
    await store.run(subscriptions.begin, owner, target, source_box, since, now)
    await store.run(sources.add_role, source_box, owner, login, MemberRole.READER)
    rows, more = 0, since is not None and since != newcomers.NOW
    while more:
        assert since is not None
        count, more = await store.run(subscriptions.history_step, owner, target, source_box, since, now)
        rows += count
    return rows + await sync.bring_up(store, owner, target, now=now)


async def _box(store: Store, owner: OwnerId, name: str, now: int) -> BoxId:
    try:
        return (await store.run(boxes.box_named, owner, name)).box
    except NoSuchBox:
        pass
    try:
        made = (await store.run(boxes.create, owner, name, "", now)).box
    except BoxExists:  # somebody was quicker
        made = (await store.run(boxes.box_named, owner, name)).box
    await store.run(boxes.lsub_add, owner, name)
    return made


async def move_subscription(store: Store, addr: str, owner: OwnerId, box: str, now: int) -> None:
    """What a source sends from now on goes into that box alone; what has come stays where it is.

    The box is made where it is not there.  Raises NoSuchAddress, where somebody does not read the source too.
    """
    source_box = await _source_box(store, addr)
    old = await store.run(sources.targets, owner, source_box)
    if not old:
        raise NoSuchAddress(f"there is no subscription to {addr}")
    target = await _box(store, owner, box, now)
    for each in old:
        if each != target:
            step = partial(store.run, subscriptions.move_step, owner, each, target, source_box, now)
            await sync.step_by_step(store, (owner, each), now, step)


async def unsubscribe(store: Store, addr: str, owner: OwnerId, box: str, now: int) -> None:
    """Ends the subscription of this box alone; the last one is ``leave``.  Raises NoSuchAddress, NoSuchBox."""
    source_box = await _source_box(store, addr)
    target = (await store.run(boxes.box_named, owner, box)).box
    targets = await store.run(sources.targets, owner, source_box)
    if target not in targets:
        raise NoSuchAddress(f"{addr} does not go into {box}")
    if targets == [target]:
        await leave(store, addr, owner, now)
        return
    await _leave_box(store, owner, target, source_box, now)


async def nest(store: Store, addr: str, inner: str) -> None:
    """What is sent to a group goes to another, too, from now on.  Raises NoSuchAddress, GroupCycle, LimitReached."""
    await store.run(nesting.add, await _source_box(store, addr), await _source_box(store, inner))


async def unnest(store: Store, addr: str, inner: str) -> None:
    """Raises NoSuchAddress, where the one is not in the other too."""
    if not await store.run(nesting.remove, await _source_box(store, addr), await _source_box(store, inner)):
        raise NoSuchAddress(f"{inner} is not in {addr}")


async def set_history(store: Store, addr: str, since: int) -> None:
    """What newcomers get from now on: ``newcomers.FROM_JOIN``, or posts from that time on.  Raises NoSuchAddress."""
    await store.run(newcomers.set_history, await _source_box(store, addr), since)


async def change(store: Store, addr: str, field: str, value: int | str) -> None:
    """Another policy of a source from now on.  field: of ``sources.SETTABLE``.  Raises NoSuchAddress."""
    await store.run(sources.change, await _source_box(store, addr), field, value)


async def set_expiry(store: Store, addr: str, expiry_s: int) -> None:
    """After how long what is posted from now on comes to its end; 0 for never.  Raises NoSuchAddress."""
    await change(store, addr, "expiry_s", expiry_s)


async def set_policy(store: Store, addr: str, post: PostPolicy) -> None:
    """Who may send to a source.  Raises NoSuchAddress."""
    await change(store, addr, "post", int(post))


async def give_role(store: Store, addr: str, owner: OwnerId, roles: MemberRole) -> None:
    """Somebody has these roles beside those they have; READER is ``join``'s to give.  Raises NoSuchAddress."""
    box, login = await _source_box(store, addr), await _login(store, owner)
    await store.run(sources.add_role, box, owner, login, roles & ~MemberRole.READER)


async def take_role(store: Store, addr: str, owner: OwnerId, roles: MemberRole) -> None:
    """Somebody has these roles no more; what they were not is no error.  Raises NoSuchAddress for the group."""
    await store.run(sources.remove_role, await _source_box(store, addr), owner, roles & ~MemberRole.READER)


# Aliases


async def add_alias(store: Store, addr: str, targets: Sequence[str]) -> None:
    """An address that leads to others, folded; an alias that is there leads to these from now on.

    Raises AddressTaken when the address is a person's or a group's.
    """
    target = " ".join(targets)
    found = await store.run(directory.claim, Address(addr, OwnerId(0), AddressKind.ALIAS, BoxId(0), target))
    if found.kind is not AddressKind.ALIAS:
        raise AddressTaken(f"{addr} is taken")
    if found.target != target:
        await store.run(directory.set_target, addr, target)


async def remove_alias(store: Store, addr: str) -> None:
    """Raises NoSuchAddress."""
    found = await store.run(accounts.address, addr)
    if found is None or found.kind is not AddressKind.ALIAS:
        raise NoSuchAddress(f"there is no alias {addr}")
    await store.run(directory.release, addr, AddressKind.ALIAS)
