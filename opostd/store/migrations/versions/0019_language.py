"""what somebody reads"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0019"
down_revision = "0018"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.add_column("account", sa.Column("language", sa.Text, nullable=False, server_default=""))
