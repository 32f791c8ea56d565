"""previews"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0002"
down_revision = "0001"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        op.add_column("post", sa.Column("preview", sa.Text))
