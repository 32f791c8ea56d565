"""history and pinned posts for newcomers; groups in groups"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0004"
down_revision = "0003"


def _keys(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False, nullable=False) for name in names]


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.add_column("source", sa.Column("history", sa.BigInteger, nullable=False, server_default=sa.text("-1")))
    op.create_table("pinned", *_keys("owner_id", "source_box", "uid"), sqlite_with_rowid=False)
    op.create_table("nested", *_keys("owner_id", "source_box", "member_box"), sqlite_with_rowid=False)
