"""All tables, in their three groups.  Only ``migrations/`` makes them; a test finds the two equal.

Every primary key begins with the key its group is sharded by: the address, the owner, the post.  No sequence, no
foreign key, no trigger (distributed.md 4).  Times are seconds since 1970.
"""

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.schema_beside import greylist, reached, reap
from opostd.store.schema_columns import big, key, metadata, post_id, text
from opostd.store.schema_groups import (
    dismissed,
    member,
    nested,
    outside_member,
    petition,
    petition_token,
    pinned,
    source,
    tally,
    withdrawal,
)
from opostd.store.types import PostIdType

REVISION = "0025"
"""What this program needs of each group; equal to the newest step in ``migrations/``."""

__all__ = [
    "REVISION",
    "account",
    "acl",
    "active",
    "address",
    "agent_share",
    "annotation",
    "box",
    "delivered_post",
    "dismissed",
    "expunged",
    "greylist",
    "held",
    "held_token",
    "lsub",
    "member",
    "metadata",
    "nested",
    "outgoing",
    "outside_member",
    "petition",
    "petition_token",
    "pinned",
    "post",
    "post_body",
    "post_search",
    "reached",
    "reap",
    "search_new",
    "search_todo",
    "session",
    "set_aside",
    "shared",
    "shared_tree",
    "source",
    "spool",
    "subscription",
    "tally",
    "withdrawal",
]

# directory

address = sa.Table(
    "address",
    metadata[Group.DIRECTORY],
    sa.Column("addr", sa.Text, primary_key=True),  # folded: accounts.fold_address
    big("owner_id", default=0),  # of a USER; SYSTEM_OWNER for a SOURCE; 0 for an ALIAS
    sa.Column("kind", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # AddressKind
    big("box_id", default=0),  # of a SOURCE, and of a SERVICE beside it: the source box
    text("target"),  # of an ALIAS: addresses, folded, separated by spaces; of a SERVICE: ServiceKind
)

# owner

account = sa.Table(
    "account",
    metadata[Group.OWNER],
    key("owner_id"),
    text("login"),  # the address that leads here
    text("name"),
    sa.Column("secret", sa.Text),  # an argon2id string; NULL: nobody logs in
    # Keys of the same password for SCRAM (auth.scram); NULL: there are none.  Of the system's account: what makes the
    # salts of names that nobody has.
    sa.Column("scram", sa.Text),
    sa.Column("state", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # AccountState
    sa.Column("admin", sa.Boolean, nullable=False, server_default=sa.false()),
    big("created", default=0),
    text("language"),  # a tag of RFC 5646; "": not known
    # The last UIDVALIDITY that a box of this owner was given: none is given twice, whatever box is deleted and made
    # anew.  The row is also the lock of the owner's list of boxes.
    big("uidvalidity", default=0),
    # What this account may have; NULL is what the settings say, 0 no limit
    *(sa.Column(name, sa.BigInteger) for name in ("quota_octets", "quota_messages")),
)

box = sa.Table(
    "box",
    metadata[Group.OWNER],
    key("owner_id"),
    key("box_id"),
    sa.Column("name", sa.Text, nullable=False),  # levels separated by "/"
    text("role"),  # a SPECIAL-USE attribute without backslash, or empty
    big("uidvalidity"),
    big("uidnext", default=1),  # changed under this row's lock only: that is what keeps UIDs in order of commits
    big("highestmodseq", default=1),
    # Of its messages that are charged (model.flags.UNCHARGED): kept here, where each delivery writes anyway
    big("charged_octets", default=0),
    big("charged_messages", default=0),
    sa.UniqueConstraint("owner_id", "name", name="box_owner_id_name_key"),
    postgresql_with={"fillfactor": "50"},  # each delivery rewrites the row: leave room for HOT updates
)

annotation = sa.Table(
    "annotation",  # RFC 5464; store.annotations
    metadata[Group.OWNER],
    key("owner_id"),  # of the box; of server annotations their reader, or the system for what all see
    key("box_id"),  # 0: of the server
    key("reader"),  # 0: shared
    sa.Column("entry", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

session = sa.Table(
    "session",  # who is logged in with a browser
    metadata[Group.OWNER],
    key("owner_id"),
    sa.Column("digest", sa.Text, primary_key=True),  # of the token that the browser has
    sa.Column("mark", sa.Text, nullable=False),  # of the secret at the log-in: another password ends the session
    sa.Column("ends", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

lsub = sa.Table(
    "lsub",  # names subscribed to (RFC 9051 6.3.7); they outlive their boxes
    metadata[Group.OWNER],
    key("owner_id"),
    sa.Column("name", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

acl = sa.Table(
    "acl",  # who else may do what with a box (model.rights)
    metadata[Group.OWNER],
    key("owner_id"),
    key("box_id"),
    sa.Column("kind", sa.SmallInteger, primary_key=True, nullable=False),  # GranteeKind
    key("who"),  # a person's owner_id, a group's source box, 0 for anyone
    *(sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0")) for name in ("granted", "denied")),
    sqlite_with_rowid=False,
)

shared = sa.Table(
    "shared",  # where the boxes are that acl names somebody for: a row for each of its rows, on the shard of the reader
    metadata[Group.OWNER],
    key("owner_id"),  # the reader; SYSTEM_OWNER for a group and for anyone
    key("source_box"),  # the group; 0 for a person and for anyone
    key("box_owner"),
    key("box_id"),
    sqlite_with_rowid=False,
)

shared_tree = sa.Table(
    "shared_tree",  # accounts whose boxes are nobody's: AccountState.SHARED
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    sa.Column("name", sa.Text, primary_key=True),  # the first level of its boxes' names
    big("tree_owner"),
    sqlite_with_rowid=False,
)

delivered_post = sa.Table(
    "delivered_post",
    metadata[Group.OWNER],
    # The order of columns keeps a row at 96 octets on PostgreSQL: wide ones first, no NULL.  No index on modseq:
    # it would rule out HOT updates of flags (distributed.md 6).
    key("owner_id"),
    key("box_id"),
    key("uid"),
    big("modseq"),
    big("internaldate"),
    big("savedate"),
    sa.Column("size", sa.Integer, nullable=False),  # octets of the message
    sa.Column("bits", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # model.flags
    post_id("post_id"),
    text("keywords"),  # sorted, separated by spaces
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "90"},
)
# Its index by post, for "has this box the post already" and for the reaper, is of by_post.

expunged = sa.Table(
    "expunged",  # what has left a box, and with which change
    metadata[Group.OWNER],
    key("owner_id"),
    key("box_id"),
    key("modseq"),
    key("uid"),
    # What it was, for a delivery that is done again after a crash; NULL: it left before that was written down
    sa.Column("post_id", PostIdType()),
    sqlite_with_rowid=False,
)

subscription = sa.Table(
    "subscription",
    metadata[Group.OWNER],
    key("owner_id"),
    key("target_box"),
    key("source_box"),
    big("joined"),  # the source's last UID when it began
    big("watermark"),  # the last source UID handled; changed under the target box's lock only
    sqlite_with_rowid=False,
)

set_aside = sa.Table(
    "set_aside",  # posts that a box refused when a subscription carried them
    metadata[Group.OWNER],
    key("owner_id"),
    key("box_id"),
    post_id("post_id", primary_key=True),
    big("source_box"),
    sa.Column("size", sa.Integer, nullable=False),
    big("internaldate"),
    sa.Column("attempts", sa.Integer, nullable=False),
    big("next_at"),  # HELD_AT: an administrator decides
    big("lease_until", default=0),
    big("created"),
    text("last_error"),
    sa.Index("set_aside_next", "next_at"),
    sqlite_with_rowid=False,
)

active = sa.Table(
    "active",  # when somebody last looked at their mail, to the day: the agent carries for them
    metadata[Group.OWNER],
    key("owner_id"),
    big("seen"),
    sqlite_with_rowid=False,
)

agent_share = sa.Table(
    "agent_share",  # a part of all owners, which one agent at a time carries for
    metadata[Group.OWNER],
    key("owner_id"),  # SYSTEM_OWNER
    key("share"),
    big("holder", default=0),
    big("lease_until", default=0),
    big("reached", default=0),  # agents.generation, up to which all of them have been carried
    big("reached_at", default=0),
    sqlite_with_rowid=False,
)

# The tables of groups are of schema_groups

# post

post = sa.Table(
    "post",  # model.records.PostFacts, field by field
    metadata[Group.POST],
    post_id("id", primary_key=True),
    big("sent"),
    post_id("thread"),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("sent_day", sa.Integer, nullable=False),
    *(
        sa.Column(name, sa.LargeBinary, nullable=False)
        for name in ("envelope", "body", "bodystructure", "header", "parts")
    ),
    *(text(name) for name in ("sender", "subject", "message_id")),
    sa.Column("preview", sa.Text),  # NULL: accepted before there were previews
)

post_body = sa.Table(
    "post_body",
    metadata[Group.POST],
    post_id("id", primary_key=True),
    # On PostgreSQL STORAGE EXTERNAL: not compressed, so that a slice reads only its own pages.
    sa.Column("raw", sa.LargeBinary, nullable=False),
)

# Two of a kind: search_new is where PostgreSQL has what the index does not have yet (search_index.py)
post_search, search_new = (
    sa.Table(
        name,  # model.records.Sought, field by field, and the text; wide ones last, for they are read last
        metadata[Group.POST],
        post_id("id", primary_key=True),
        sa.Column("sent", sa.BigInteger),
        sa.Column("reply", sa.Boolean, nullable=False, server_default=sa.false()),
        *(text(each) for each in ("subject", "sender", "to", "cc", "sender_display", "to_display", "references")),
        *(text(each) for each in ("head", "text")),
    )
    for name in ("post_search", "search_new")
)
# The index over head and text is not of this list: search_index.py makes it, where the database can have one.

search_todo = sa.Table(
    "search_todo",  # posts that the index does not have yet, or that have no row in post_search
    metadata[Group.POST],
    post_id("id", primary_key=True),
    sqlite_with_rowid=False,
)

spool = sa.Table(
    "spool",  # accepted, and not yet in this box
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    key("owner_id"),
    key("box_id"),
    sa.Column("source", sa.Boolean, nullable=False, server_default=sa.false()),  # the box is a source box
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    big("next_at"),
    big("lease_until", default=0),  # somebody tries it until then
    big("created"),
    text("last_error"),
    # Who is told when it cannot be put there: the envelope's sender, empty for <>
    text("sender"),
    text("wishes"),  # the recipients that led here, a line each: address, NOTIFY bits, ORCPT or nothing
    text("envid"),
    text("ret"),
    sa.Column("require_tls", sa.Boolean, nullable=False, server_default=sa.false()),  # of what its sender is told, too
    sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),  # of the delay
    sa.Index("spool_next", "next_at"),
    sqlite_with_rowid=False,
)

held = sa.Table(
    "held",  # accepted, and waiting for a moderator of this source
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    key("box_id"),
    big("author", default=0),  # the account that has sent it; 0: nobody who had logged in
    big("created"),
    big("expires"),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # its moderators, and its author
    text("sender"),
    text("wishes"),
    text("envid"),
    text("ret"),
    sa.Index("held_expires", "expires"),
    sqlite_with_rowid=False,
)

held_token = sa.Table(
    "held_token",  # by which a moderator decides in a letter; goes with the row of held
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    key("box_id"),
    key("moderator"),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the token, in hexadecimal
    sa.Index("held_token_digest", "digest"),
    sqlite_with_rowid=False,
)

outgoing = sa.Table(
    "outgoing",  # accepted for a mailbox elsewhere, and not yet taken by another server
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),  # as the sender wrote it, its domain in lower case
    text("domain"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    big("next_at"),  # HELD_AT: an administrator holds it
    big("lease_until", default=0),
    big("created"),
    text("last_error"),
    text("sender"),  # of the envelope; empty for <>
    sa.Column("notify", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # model.mailing.Notify
    text("orcpt"),
    text("envid"),
    text("ret"),
    text("via"),  # the address of the source whose copy it is; empty: its sender named the address
    sa.Column("require_tls", sa.Boolean, nullable=False, server_default=sa.false()),  # RFC 8689
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # RFC 6710
    big("deliver_by", default=0),  # RFC 2852
    text("by_mode"),  # model.mailing.Terms
    sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("outgoing_next", "next_at"),
    sqlite_with_rowid=False,
)
