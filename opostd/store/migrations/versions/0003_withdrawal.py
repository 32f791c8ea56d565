"""posts that are taken back"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0003"
down_revision = "0002"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.create_table(
        "withdrawal",
        sa.Column("owner_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("policy", sa.SmallInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("begins", "next_at")),
        *(
            sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
            for name in ("removed", "removed_seen", "kept", "kept_seen")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("withdrawal_next", "withdrawal", ["owner_id", "next_at"])
