"""Who has an address, and who can log in."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from opostd.model.errors import BadAddress, NoSuchAddress
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.mailing import Outside
from opostd.model.records import Account, AccountState, Address, AddressKind
from opostd.store import schema
from opostd.store.database import chunks
from opostd.store.run import Group, Tx, reads, writes

MAX_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN_OCTETS = 255  # RFC 5321 4.5.3.1.2

# What stands in an address without quotes: dot-atom of RFC 5322 3.2.3, and UTF-8 of RFC 6532.
_LOCAL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f()<>\[\]:;@\\,\"]+\Z")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"\Z')  # RFC 5321 4.1.2
_DOMAIN = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(?:\.(?!-)[\w-]{1,63}(?<!-))*\Z")
_ADDRESS = sa.select(
    schema.address.c.addr,
    schema.address.c.owner_id,
    schema.address.c.kind,
    schema.address.c.box_id,
    schema.address.c.target,
)
_ACCOUNT = sa.select(
    schema.account.c.owner_id,
    schema.account.c.login,
    schema.account.c.name,
    schema.account.c.secret,
    schema.account.c.state,
    schema.account.c.admin,
    schema.account.c.created,
    schema.account.c.scram,
    schema.account.c.language,
)
_ONE_ADDRESS = _ADDRESS.where(schema.address.c.addr == sa.bindparam("addr"))
_ONE_ACCOUNT = _ACCOUNT.where(schema.account.c.owner_id == sa.bindparam("owner"))


def fold_address(text: str, domains: Sequence[str]) -> str:
    """The address as the directory has it: lower case, NFC, without a last dot, with the first domain if it has none.

    domains: those of this server, the first is the default.  Raises BadAddress, for other domains too.
    """
    local, at, domain = unicodedata.normalize("NFC", text).rpartition("@")
    if not at:
        local, domain = domain, domains[0]
    local = unicodedata.normalize("NFC", local.lower())
    domain = unicodedata.normalize("NFC", domain.lower()).removesuffix(".")
    try:
        octets = len(local.encode()), len(domain.encode())
    except UnicodeEncodeError:  # a lone surrogate, of octets that were no UTF-8
        raise BadAddress("an address is UTF-8") from None
    # Not printable: what cannot be seen, turns the line round, or is assigned to nothing (RFC 8264 9.11).
    if not _LOCAL.match(local) or not local.isprintable() or ".." in local or local[0] == "." or local[-1] == ".":
        raise BadAddress(f"{_shown(text)} is no address")
    if octets[0] > MAX_LOCAL_OCTETS or octets[1] > MAX_DOMAIN_OCTETS:
        raise BadAddress(f"{_shown(text)} is too long for an address")
    if domain not in {each.lower() for each in domains}:
        raise BadAddress(f"{_shown(text)} is not in a domain of this server")
    return f"{local}@{domain}"


def outside(text: str) -> Outside:
    """An address of another server, its domain in lower case and without a last dot.  Raises BadAddress."""
    local, _, domain = text.rpartition("@")
    domain = domain.lower().removesuffix(".")
    try:
        octets = len(local.encode()), len(domain.encode())
    except UnicodeEncodeError:
        raise BadAddress("an address is UTF-8") from None
    dotted = _LOCAL.match(local) and ".." not in local and not local.startswith(".") and not local.endswith(".")
    if not (dotted or _QUOTED.match(local)) or not _DOMAIN.match(domain) or not text.isprintable():
        raise BadAddress(f"{_shown(text)} is no address")
    if octets[0] > MAX_LOCAL_OCTETS or octets[1] > MAX_DOMAIN_OCTETS:
        raise BadAddress(f"{_shown(text)} is too long for an address")
    return Outside(f"{local}@{domain}")


def _shown(text: str) -> str:
    """For an error's text, which is said to a peer: one short line."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:80])


def _address_of(row: Any) -> Address:
    addr, owner, kind, box, target = row
    return Address(addr, OwnerId(owner), AddressKind(kind), BoxId(box), target)


def _account_of(row: Any) -> Account:
    owner, login, name, secret, state, admin, created, scram, language = row
    return Account(OwnerId(owner), login, name, secret, AccountState(state), bool(admin), created, scram, language)


FEW_ADDRESSES = 8  # that are looked for one by one, for the statement is ready


@reads(Group.DIRECTORY)
def address(tx: Tx, addr: str) -> Address | None:
    """What a folded address leads to, or None."""
    rows = tx.rows(_ONE_ADDRESS, {"addr": addr})
    return _address_of(rows[0]) if rows else None


@reads(Group.DIRECTORY)
def addresses(tx: Tx, addrs: Sequence[str]) -> dict[str, Address]:
    """Those of the folded addresses that are there."""
    found: dict[str, Address] = {}
    wanted = list(dict.fromkeys(addrs))
    # On SQLite a look-up by key costs less than its place in a list of parameters; on PostgreSQL these go together
    if tx.dialect == "sqlite" or len(wanted) <= FEW_ADDRESSES:
        each = tx.rows_of(*((_ONE_ADDRESS, {"addr": addr}) for addr in wanted))
        return {rows[0][0]: _address_of(rows[0]) for rows in each if rows}
    for page in chunks(wanted):
        rows = tx.execute(_ADDRESS.where(schema.address.c.addr.in_(page)))
        found.update((row.addr, _address_of(row)) for row in rows)
    return found


@reads(Group.OWNER)
def account(tx: Tx, owner: OwnerId) -> Account | None:
    """The account, or None."""
    row = tx.execute(_ONE_ACCOUNT, {"owner": owner}).first()
    return None if row is None else _account_of(row)


@reads(Group.OWNER)
def accounts_by_owner(tx: Tx, owners: Sequence[OwnerId]) -> dict[OwnerId, Account]:
    """Those of the accounts that are there."""
    found: dict[OwnerId, Account] = {}
    for page in chunks(list(dict.fromkeys(owners))):
        rows = tx.execute(_ACCOUNT.where(schema.account.c.owner_id.in_(page)))
        found.update((OwnerId(row.owner_id), _account_of(row)) for row in rows)
    return found


@reads(Group.OWNER)
def accounts(tx: Tx, after: OwnerId = SYSTEM_OWNER, limit: int = 500) -> list[Account]:
    """A page of all people's accounts, by owner id: ``after`` is the last one of the page before.

    For the administrator's list; the one statement that goes over all owners.
    """
    owner_id = schema.account.c.owner_id
    people = schema.account.c.state != int(AccountState.SHARED)
    rows = tx.execute(_ACCOUNT.where(owner_id > after, people).order_by(owner_id).limit(limit))
    return [_account_of(row) for row in rows]


@writes(Group.OWNER)
def set_secret(tx: Tx, owner: OwnerId, secret: str | None, scram: str | None = None) -> None:
    """A new argon2id string, and keys of the same password for SCRAM; None: no such login.  Raises NoSuchAddress."""
    _change(tx, owner, secret=secret, scram=scram)


@writes(Group.OWNER)
def secret_of_nobody(tx: Tx, fresh: str) -> str:
    """What makes the salts of names that nobody has: ``fresh`` the first time, and the same ever after."""
    table = schema.account
    tx.execute(sa.update(table).where(table.c.owner_id == SYSTEM_OWNER, table.c.scram.is_(None)).values(scram=fresh))
    found: str | None = tx.execute(sa.select(table.c.scram).where(table.c.owner_id == SYSTEM_OWNER)).scalar()
    return found or fresh


@writes(Group.OWNER)
def set_state(tx: Tx, owner: OwnerId, state: AccountState) -> None:
    """Whether somebody may log in; open sessions are told.  Raises NoSuchAddress."""
    _change(tx, owner, state=int(state))


@writes(Group.OWNER)
def set_language(tx: Tx, owner: OwnerId, language: str) -> None:
    """The tag of what somebody reads, empty for not known.  Raises NoSuchAddress."""
    _change(tx, owner, language=language)


def _change(tx: Tx, owner: OwnerId, **values: object) -> None:
    table = schema.account
    changed = tx.execute(
        sa.update(table).where(table.c.owner_id == owner).values(**values).returning(table.c.owner_id)
    ).first()
    if changed is None:
        raise NoSuchAddress("there is no such account")
    tx.hint(owner, BoxId(0), 0)
