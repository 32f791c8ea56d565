"""what SEARCH, SORT and THREAD look at, and an index over it"""

import sqlalchemy as sa
from alembic import op

from opostd.store import search_index
from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0005"
down_revision = "0004"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        _post()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))


def _post() -> None:
    op.create_table(
        "post_search",
        sa.Column("id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("sent", sa.BigInteger),
        sa.Column("reply", sa.Boolean, nullable=False, server_default=sa.false()),
        *(_text(name) for name in ("subject", "sender", "to", "cc", "sender_display", "to_display")),
        *(_text(name) for name in ("references", "head", "text")),
    )
    op.create_table(
        "search_todo",
        sa.Column("id", PostIdType(), primary_key=True, nullable=False),
        sqlite_with_rowid=False,
    )
    # The posts that are there get their rows from their octets, when they are first looked for or before.
    op.execute("INSERT INTO search_todo (id) SELECT id FROM post")
    op.drop_table("post_text")
    search_index.create(op.get_bind())
