"""The tables of groups and `everyone`: sources, who reads them, who asks to, what is counted, what is taken back.

All of the owner group, under the system's account.  Read by way of ``schema``.
"""

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.schema_columns import big, key, metadata, post_id, text

source = sa.Table(
    "source",  # what a source box is besides a box
    metadata[Group.OWNER],
    key("owner_id"),
    key("box_id"),
    sa.Column("address", sa.Text, nullable=False),
    text("title"),
    sa.Column("post", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # PostPolicy
    big("history", default=-1),  # what newcomers get: posts from that time on; newcomers.FROM_JOIN
    big("expiry_s", default=0),  # after which a post leaves boxes where it was not touched; 0: never
    text("bounces_to"),  # where bounces of its members elsewhere go; empty: to its owners
    sa.Column("outside", sa.Boolean, nullable=False, server_default=sa.false()),  # it has members elsewhere
    sa.Column("moderation", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # Moderation
    sa.Column("joining", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # Joining
    text("archive"),  # URL of List-Archive, or empty
    text("archived_at"),  # URL of Archived-At with {id} in it, or empty
    # How many replies to a conversation close it, how many posts of a sender and of all are taken in an hour; 0: no
    # limit, -1: that of the settings
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("-1"))
        for name in ("brake", "sender_posts", "all_posts")
    ),
    sa.Column("recall", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # Recall
    sa.UniqueConstraint("owner_id", "address", name="source_owner_id_address_key"),
)

member = sa.Table(
    "member",
    metadata[Group.OWNER],
    key("owner_id"),  # of the source, SYSTEM_OWNER: the list of one group is on one shard
    key("source_box"),  # 0: the administrators
    key("member_owner"),
    text("address"),  # of the member
    sa.Column("role", sa.SmallInteger, nullable=False, server_default=sa.text("1")),  # bits: MemberRole
    sa.Index("member_member", "owner_id", "member_owner"),  # what somebody who is deleted belongs to
    sqlite_with_rowid=False,
)

outside_member = sa.Table(
    "outside_member",  # of a source, who is elsewhere and gets copies by mail
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("source_box"),
    text("address", primary_key=True),  # as written, its domain in lower case
    text("token"),  # random: what the return path of their copies has in it
    sa.Column("bounces", sa.Integer, nullable=False, server_default=sa.text("0")),  # days on which mail came back
    big("bounced", default=0),  # when that was last counted
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("outside_member_token", "owner_id", "token"),
    sqlite_with_rowid=False,
)

petition = sa.Table(
    "petition",  # who asks to join or to leave a source, and is not yet what they ask for
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("source_box"),
    sa.Column("address", sa.Text, primary_key=True, nullable=False),
    big("member_owner"),  # of the address; 0: it is elsewhere
    sa.Column("leaves", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("state", sa.SmallInteger, nullable=False),  # petitions.State
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # who decides
    text("digest"),  # SHA-256 of the token that confirms it, in hexadecimal; empty: none does
    big("created"),
    big("expires"),
    sqlite_with_rowid=False,
)

petition_token = sa.Table(
    "petition_token",  # by which an owner or moderator decides in a letter; goes with the row of petition
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("source_box"),
    sa.Column("address", sa.Text, primary_key=True, nullable=False),
    key("moderator"),
    sa.Column("digest", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

tally = sa.Table(
    "tally",  # what is counted of a source for its limits
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("source_box"),
    sa.Column("what", sa.Text, primary_key=True, nullable=False),  # a conversation, a sender, all: intake.brake
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    big("ends"),  # of the count, or of the time for which it is closed
    sqlite_with_rowid=False,
)

pinned = sa.Table(
    "pinned",  # posts of a source that newcomers get, whenever they join
    metadata[Group.OWNER],
    key("owner_id"),
    key("source_box"),
    key("uid"),
    sqlite_with_rowid=False,
)

nested = sa.Table(
    "nested",  # groups that are members of a group
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("source_box"),
    key("member_box"),
    sqlite_with_rowid=False,
)

dismissed = sa.Table(
    "dismissed",  # who has deleted a post of a source for good without having read it: for store.reach
    metadata[Group.OWNER],
    key("owner_id"),
    post_id("post_id", primary_key=True),
    sa.Index("dismissed_post", "post_id"),
    sqlite_with_rowid=False,
)

withdrawal = sa.Table(
    "withdrawal",  # posts that are taken back, or will be at their end
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    post_id("post_id", primary_key=True),
    sa.Column("policy", sa.SmallInteger, nullable=False),  # Withdraw: from which boxes
    big("begins"),
    big("next_at"),  # the next sweep; withdraw.NEVER after the last
    text("by"),  # the login of who has taken it back; empty: whoever runs the server, or its end
    # Rows in readers' boxes, for the report; of the last sweep: those that the policy left
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
        for name in ("removed", "removed_seen", "kept", "kept_seen")
    ),
    sa.Index("withdrawal_next", "owner_id", "next_at"),
    sqlite_with_rowid=False,
)
