"""boxes that are shared"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0014"
down_revision = "0013"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.create_table(
        "acl",
        _key("owner_id"),
        _key("box_id"),
        sa.Column("kind", sa.SmallInteger, primary_key=True, nullable=False),
        _key("who"),
        sa.Column("granted", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("denied", sa.Integer, nullable=False, server_default=sa.text("0")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shared",
        *(_key(name) for name in ("owner_id", "source_box", "box_owner", "box_id")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shared_tree",
        _key("owner_id"),
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("tree_owner", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False, nullable=False)
