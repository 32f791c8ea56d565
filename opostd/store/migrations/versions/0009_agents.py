"""posts set aside, and what the agents share"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0009"
down_revision = "0008"


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    op.create_table(
        "set_aside",
        _key("owner_id"),
        _key("box_id"),
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        _big("source_box"),
        sa.Column("size", sa.Integer, nullable=False),
        _big("internaldate"),
        sa.Column("attempts", sa.Integer, nullable=False),
        _big("next_at"),
        _big("lease_until", "0"),
        _big("created"),
        sa.Column("last_error", sa.Text, nullable=False, server_default=sa.text("''")),
        sqlite_with_rowid=False,
    )
    op.create_index("set_aside_next", "set_aside", ["next_at"])
    op.create_table("active", _key("owner_id"), _big("seen"), sqlite_with_rowid=False)
    op.create_table(
        "agent_share",
        _key("owner_id"),
        _key("share"),
        *(_big(name, "0") for name in ("holder", "lease_until", "reached", "reached_at")),
        sqlite_with_rowid=False,
    )


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False, nullable=False)


def _big(name: str, default: str | None = None) -> sa.Column[int]:
    server_default = None if default is None else sa.text(default)
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=server_default)
