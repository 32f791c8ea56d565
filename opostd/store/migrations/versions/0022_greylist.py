"""clients that were told to come again"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0022"
down_revision = "0021"


def upgrade(group: Group) -> None:
    if group is not Group.POST:
        return
    op.create_table(
        "greylist",
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("greylist_ends", "greylist", ["ends"])
