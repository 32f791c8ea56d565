"""annotations of boxes and of the server"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0016"
down_revision = "0015"


def upgrade(group: Group) -> None:
    if group is Group.OWNER:
        op.create_table(
            "annotation",
            *(_key(name, sa.BigInteger) for name in ("owner_id", "box_id", "reader")),
            _key("entry", sa.Text),
            sa.Column("value", sa.LargeBinary, nullable=False),
            sqlite_with_rowid=False,
        )


def _key(name: str, kind: type[sa.BigInteger] | type[sa.Text]) -> sa.Column[object]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)
