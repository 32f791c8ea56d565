"""people join and leave groups by letters"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0015"
down_revision = "0014"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.create_table(
        "petition",
        _key("owner_id"),
        _key("source_box"),
        sa.Column("address", sa.Text, primary_key=True, nullable=False),
        _big("member_owner"),
        sa.Column("leaves", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("digest", sa.Text, nullable=False, server_default=sa.text("''")),
        _big("created"),
        _big("expires"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "petition_token",
        _key("owner_id"),
        _key("source_box"),
        sa.Column("address", sa.Text, primary_key=True, nullable=False),
        _key("moderator"),
        sa.Column("digest", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False, nullable=False)
