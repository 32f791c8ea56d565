"""a time by which a message is to be delivered elsewhere"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0023"
down_revision = "0022"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        op.add_column("outgoing", sa.Column("deliver_by", sa.BigInteger, nullable=False, server_default=sa.text("0")))
        op.add_column("outgoing", sa.Column("by_mode", sa.Text, nullable=False, server_default=sa.text("''")))
