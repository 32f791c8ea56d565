"""keys for SCRAM"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0007"
down_revision = "0006"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.add_column("account", sa.Column("scram", sa.Text))
