"""who is logged in with a browser"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0021"
down_revision = "0020"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.create_table(
            "session",
            sa.Column("owner_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
            sa.Column("digest", sa.Text, primary_key=True, nullable=False),
            sa.Column("mark", sa.Text, nullable=False),
            sa.Column("ends", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
