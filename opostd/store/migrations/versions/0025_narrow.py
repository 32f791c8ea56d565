"""narrower rows: the index of messages by post on PostgreSQL, and subscriptions, whose sources are all the system's"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0025"
down_revision = "0024"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.drop_column("subscription", "source_owner")
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.drop_index("delivered_post_post", "delivered_post")
    connection.execute(
        sa.text(
            "CREATE INDEX delivered_post_post ON delivered_post"
            " ((substring(uuid_send(post_id) FROM 2 FOR 7)), owner_id)"
        )
    )
    # The planner knows nothing of an expression until then, and may read a whole box instead.
    connection.execute(sa.text("ANALYZE delivered_post"))
