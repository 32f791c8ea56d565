"""mail that leaves"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0008"
down_revision = "0007"


def upgrade(group: Group) -> None:
    if group is not Group.POST:
        return
    for name in ("sender", "wishes", "envid", "ret"):
        op.add_column("spool", _text(name))
    op.add_column("spool", sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "outgoing",
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("address", sa.Text, primary_key=True, nullable=False),
        _text("domain"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("created", sa.BigInteger, nullable=False),
        _text("last_error"),
        _text("sender"),
        sa.Column("notify", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
        _text("orcpt"),
        _text("envid"),
        _text("ret"),
        sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_with_rowid=False,
    )
    op.create_index("outgoing_next", "outgoing", ["next_at"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))
