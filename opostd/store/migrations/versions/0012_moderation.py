"""groups are moderated, and have addresses beside their own"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0012"
down_revision = "0011"

SOURCE, SERVICE = 1, 3  # of address.kind
SERVICES = ("join", "leave", "owner", "request")


def upgrade(group: Group) -> None:
    if group is Group.DIRECTORY:
        _claim_services()
    elif group is Group.OWNER:
        for name in ("moderation", "joining"):
            op.add_column("source", sa.Column(name, sa.SmallInteger, nullable=False, server_default=sa.text("0")))
        for name in ("archive", "archived_at"):
            op.add_column("source", _text(name))
    else:
        _make_held()


def _claim_services() -> None:
    """Of the groups that are there; an address that somebody has already stays theirs."""
    connection = op.get_bind()
    names = ("addr", "owner_id", "kind", "box_id", "target")
    address = sa.table("address", *(sa.column(name) for name in names))
    sources = connection.execute(sa.select(*(address.c[name] for name in names)).where(address.c.kind == SOURCE)).all()
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for addr, owner, _, box, _ in sources:
        local, _, domain = addr.rpartition("@")
        rows = [(f"{local}-{each}@{domain}", owner, SERVICE, box, each) for each in SERVICES]
        connection.execute(
            insert(address).on_conflict_do_nothing(), [dict(zip(names, row, strict=True)) for row in rows]
        )


def _make_held() -> None:
    op.create_table(
        "held",
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("box_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("author", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
        *(_text(name) for name in ("sender", "wishes", "envid", "ret")),
        sqlite_with_rowid=False,
    )
    op.create_index("held_expires", "held", ["expires"])
    op.create_table(
        "held_token",
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("box_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("moderator", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("held_token_digest", "held_token", ["digest"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))
