"""what the index of SEARCH does not have yet, on PostgreSQL"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0024"
down_revision = "0023"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        texts = ("subject", "sender", "to", "cc", "sender_display", "to_display", "references", "head", "text")
        op.create_table(
            "search_new",
            sa.Column("id", PostIdType(), primary_key=True, nullable=False),
            sa.Column("sent", sa.BigInteger),
            sa.Column("reply", sa.Boolean, nullable=False, server_default=sa.false()),
            *(sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")) for name in texts),
        )
