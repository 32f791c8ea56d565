"""Commands and responses of access control lists (RFC 4314 3).  Rights are values; their letters are the grammar's."""

from dataclasses import dataclass

from opostd.model.rights import Change, Rights


@dataclass(frozen=True, slots=True)
class SetAcl:
    """identifier: as the client wrote it, a leading ``-`` included."""

    name: str
    identifier: str
    how: Change
    rights: Rights


@dataclass(frozen=True, slots=True)
class AboutIdentifier:
    """DELETEACL, LISTRIGHTS."""

    name: str
    identifier: str


@dataclass(frozen=True, slots=True)
class AclData:
    """``* ACL name identifier rights ...``"""

    name: str
    entries: tuple[tuple[str, Rights], ...]


@dataclass(frozen=True, slots=True)
class RightsList:
    """``* LISTRIGHTS``.  required: what the identifier always has; grantable: whether it can be given the others."""

    name: str
    identifier: str
    required: Rights
    grantable: bool


@dataclass(frozen=True, slots=True)
class MyRights:
    """``* MYRIGHTS name rights``"""

    name: str
    rights: Rights
