"""members of groups who are elsewhere"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0010"
down_revision = "0009"


def upgrade(group: Group) -> None:
    if group is Group.POST:
        op.add_column("outgoing", _text("via"))
    if group is not Group.OWNER:
        return
    op.add_column("source", _text("bounces_to"))
    op.add_column("source", sa.Column("outside", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "outside_member",
        sa.Column("owner_id", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("source_box", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("address", sa.Text, primary_key=True, nullable=False, server_default=sa.text("''")),
        _text("token"),
        sa.Column("bounces", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("bounced", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
        sqlite_with_rowid=False,
    )
    op.create_index("outside_member_token", "outside_member", ["owner_id", "token"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))
