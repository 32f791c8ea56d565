"""what an account has, and may have"""

import sqlalchemy as sa
from alembic import op

from opostd.store.groups import Group

revision = "0011"
down_revision = "0010"

# What a source holds, it has carried to its readers, and nobody is charged for it.
_UNCHARGED = """
    UPDATE delivered_post SET bits = bits | 32
    WHERE owner_id = 1 OR post_id IN (SELECT held.post_id FROM delivered_post AS held WHERE held.owner_id = 1)"""
_COUNT = """
    UPDATE box SET
        charged_octets = (SELECT coalesce(sum(size), 0) FROM delivered_post AS has
            WHERE has.owner_id = box.owner_id AND has.box_id = box.box_id AND has.bits & 32 = 0),
        charged_messages = (SELECT count(*) FROM delivered_post AS has
            WHERE has.owner_id = box.owner_id AND has.box_id = box.box_id AND has.bits & 32 = 0)"""


def upgrade(group: Group) -> None:
    if group is not Group.OWNER:
        return
    for name in ("quota_octets", "quota_messages"):
        op.add_column("account", sa.Column(name, sa.BigInteger))
    for name in ("charged_octets", "charged_messages"):
        op.add_column("box", sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.execute(_UNCHARGED)
    op.execute(_COUNT)
