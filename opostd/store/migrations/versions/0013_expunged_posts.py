"""what the messages were that have left a box"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0013"
down_revision = "0012"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.add_column("expunged", sa.Column("post_id", PostIdType()))
