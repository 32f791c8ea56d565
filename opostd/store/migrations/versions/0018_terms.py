"""what a sender asks of the way"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0018"
down_revision = "0017"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        for table in ("spool", "outgoing"):
            op.add_column(table, sa.Column("require_tls", sa.Boolean, nullable=False, server_default=sa.false()))
        op.add_column("outgoing", sa.Column("priority", sa.SmallInteger, nullable=False, server_default=sa.text("0")))
