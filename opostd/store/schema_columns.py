"""What tables are made of: the metadata of each group, and columns that are never NULL."""

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.types import PostIdType

metadata: dict[Group, sa.MetaData] = {group: sa.MetaData() for group in Group}


def big(name: str, *, default: int | None = None, primary_key: bool = False) -> sa.Column[int]:
    server_default = None if default is None else sa.text(str(default))
    return sa.Column(
        name,
        sa.BigInteger,
        primary_key=primary_key,
        autoincrement=False,
        nullable=False,
        server_default=server_default,
    )


def text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False, server_default=sa.text("''"))


def key(name: str) -> sa.Column[int]:
    return big(name, primary_key=True)


def post_id(name: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, PostIdType(), primary_key=primary_key, nullable=False)
