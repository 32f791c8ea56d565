"""limits of what is posted to groups, and who may take it back"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0017"
down_revision = "0016"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    for name in ("brake", "sender_posts", "all_posts"):
        op.add_column("source", sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("-1")))
    op.add_column("source", sa.Column("recall", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("withdrawal", sa.Column("by", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "tally",
        sa.Column("owner_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source_box", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("what", sa.Text, primary_key=True, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
