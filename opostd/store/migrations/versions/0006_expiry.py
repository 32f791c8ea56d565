"""posts of a source come to an end"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0006"
down_revision = "0005"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.add_column("source", sa.Column("expiry_s", sa.BigInteger, nullable=False, server_default=sa.text("0")))
