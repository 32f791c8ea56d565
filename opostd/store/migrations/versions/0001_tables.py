"""the tables"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group
from opostd.store.types import PostIdType

revision = "0001"
down_revision = None


def upgrade(group: Group) -> None:
    {Group.DIRECTORY: _directory, Group.OWNER: _owner, Group.POST: _post}[group]()


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False, nullable=False)


def _big(name: str, default: int | None = None) -> sa.Column[int]:
    return sa.Column(
        name, sa.BigInteger, nullable=False, server_default=None if default is None else sa.text(str(default))
    )


def _small(name: str, default: int) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, nullable=False, server_default=sa.text(str(default)))


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))


def _directory() -> None:
    op.create_table(
        "address",
        sa.Column("addr", sa.Text, primary_key=True, nullable=False),
        _big("owner_id", 0),
        _small("kind", 0),
        _big("box_id", 0),
        _text("target"),
    )


def _owner() -> None:
    op.create_table(
        "account",
        _key("owner_id"),
        _text("login"),
        _text("name"),
        sa.Column("secret", sa.Text),
        _small("state", 0),
        sa.Column("admin", sa.Boolean, nullable=False, server_default=sa.false()),
        _big("created", 0),
        _big("uidvalidity", 0),
    )
    op.create_table(
        "box",
        _key("owner_id"),
        _key("box_id"),
        sa.Column("name", sa.Text, nullable=False),
        _text("role"),
        _big("uidvalidity"),
        _big("uidnext", 1),
        _big("highestmodseq", 1),
        sa.UniqueConstraint("owner_id", "name", name="box_owner_id_name_key"),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "lsub",
        _key("owner_id"),
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivered_post",
        _key("owner_id"),
        _key("box_id"),
        _key("uid"),
        _big("modseq"),
        _big("internaldate"),
        _big("savedate"),
        sa.Column("size", sa.Integer, nullable=False),
        _small("bits", 0),
        sa.Column("post_id", PostIdType(), nullable=False),
        _text("keywords"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "90"},
    )
    op.create_index("delivered_post_post", "delivered_post", ["post_id", "owner_id"])
    op.create_table(
        "expunged", _key("owner_id"), _key("box_id"), _key("modseq"), _key("uid"), sqlite_with_rowid=False
    )  # fmt: skip
    op.create_table(
        "subscription",
        _key("owner_id"),
        _key("target_box"),
        _big("source_owner"),
        _key("source_box"),
        _big("joined"),
        _big("watermark"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "source",
        _key("owner_id"),
        _key("box_id"),
        sa.Column("address", sa.Text, nullable=False),
        _text("title"),
        _small("post", 0),
        sa.UniqueConstraint("owner_id", "address", name="source_owner_id_address_key"),
    )
    op.create_table(
        "member",
        _key("owner_id"),
        _key("source_box"),
        _key("member_owner"),
        _text("address"),
        _small("role", 1),
        sqlite_with_rowid=False,
    )
    op.create_index("member_member", "member", ["owner_id", "member_owner"])


def _post() -> None:
    op.create_table(
        "post",
        sa.Column("id", PostIdType(), primary_key=True, nullable=False),
        _big("sent"),
        sa.Column("thread", PostIdType(), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sent_day", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.LargeBinary, nullable=False)
            for name in ("envelope", "body", "bodystructure", "header", "parts")
        ),
        *(_text(name) for name in ("sender", "subject", "message_id")),
    )
    op.create_table(
        "post_body",
        sa.Column("id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE post_body ALTER COLUMN raw SET STORAGE EXTERNAL")
    op.create_table(
        "post_text",
        sa.Column("id", PostIdType(), primary_key=True, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "spool",
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        _key("owner_id"),
        _key("box_id"),
        sa.Column("source", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        _big("next_at"),
        _big("lease_until", 0),
        _big("created"),
        _text("last_error"),
        sqlite_with_rowid=False,
    )
    op.create_index("spool_next", "spool", ["next_at"])
    op.create_table(
        "reap",
        sa.Column("post_id", PostIdType(), primary_key=True, nullable=False),
        _big("found"),
        sqlite_with_rowid=False,
    )
