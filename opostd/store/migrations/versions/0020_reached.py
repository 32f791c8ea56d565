"""how far posts had come, and who deleted them unread"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0020"
down_revision = "0019"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.create_table(
            "dismissed",
            sa.Column("owner_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
            sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
            sqlite_with_rowid=False,
        )
        op.create_index("dismissed_post", "dismissed", ["post_id"])
    if group is Group.POST:
        op.create_table(
            "reached",
            sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
            sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
            *(
                sa.Column(name, sa.Integer, nullable=False)
                for name in ("subscribed", "carried", "have", "seen", "flagged", "gone", "dismissed")
            ),
            sqlite_with_rowid=False,
        )
