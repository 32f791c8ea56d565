"""All tables, in their three groups.  Only ``migrations/`` makes them; a test finds the two equal.

Every primary key begins with the key its group is sharded by: the address, the owner, the post.  No sequence, no
foreign key, no trigger (distributed.md 4).  Times are seconds since 1970.
"""

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.types import PostIdType

REVISION = "0018"
"""What this program needs of each group; equal to the newest step in ``migrations/``."""

metadata: dict[Group, sa.MetaData] = {group: sa.MetaData() for group in Group}


def _big(name: str, *, default: int | None = None, primary_key: bool = False) -> sa.Column[int]:
    server_default = None if default is None else sa.text(str(default))
    return sa.Column(
        name,
        sa.BigInteger,
        primary_key=primary_key,
        autoincrement=False,
        nullable=False,
        server_default=server_default,
    )


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False, server_default=sa.text("''"))


def _key(name: str) -> sa.Column[int]:
    return _big(name, primary_key=True)


def _post_id(name: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, PostIdType(), primary_key=primary_key, nullable=False)


# directory

address = sa.Table(
    "address",
    metadata[Group.DIRECTORY],
    sa.Column("addr", sa.Text, primary_key=True),  # folded: accounts.fold_address
    _big("owner_id", default=0),  # of a USER; SYSTEM_OWNER for a SOURCE; 0 for an ALIAS
    sa.Column("kind", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # AddressKind
    _big("box_id", default=0),  # of a SOURCE, and of a SERVICE beside it: the source box
    _text("target"),  # of an ALIAS: addresses, folded, separated by spaces; of a SERVICE: ServiceKind
)

# owner

account = sa.Table(
    "account",
    metadata[Group.OWNER],
    _key("owner_id"),
    _text("login"),  # the address that leads here
    _text("name"),
    sa.Column("secret", sa.Text),  # an argon2id string; NULL: nobody logs in
    # Keys of the same password for SCRAM (auth.scram); NULL: there are none.  Of the system's account: what makes the
    # salts of names that nobody has.
    sa.Column("scram", sa.Text),
    sa.Column("state", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # AccountState
    sa.Column("admin", sa.Boolean, nullable=False, server_default=sa.false()),
    _big("created", default=0),
    # The last UIDVALIDITY that a box of this owner was given: none is given twice, whatever box is deleted and made
    # anew.  The row is also the lock of the owner's list of boxes.
    _big("uidvalidity", default=0),
    # What this account may have; NULL is what the settings say, 0 no limit
    *(sa.Column(name, sa.BigInteger) for name in ("quota_octets", "quota_messages")),
)

box = sa.Table(
    "box",
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("box_id"),
    sa.Column("name", sa.Text, nullable=False),  # levels separated by "/"
    _text("role"),  # a SPECIAL-USE attribute without backslash, or empty
    _big("uidvalidity"),
    _big("uidnext", default=1),  # changed under this row's lock only: that is what keeps UIDs in order of commits
    _big("highestmodseq", default=1),
    # Of its messages that are charged (model.flags.UNCHARGED): kept here, where each delivery writes anyway
    _big("charged_octets", default=0),
    _big("charged_messages", default=0),
    sa.UniqueConstraint("owner_id", "name", name="box_owner_id_name_key"),
    postgresql_with={"fillfactor": "50"},  # each delivery rewrites the row: leave room for HOT updates
)

annotation = sa.Table(
    "annotation",  # RFC 5464; store.annotations
    metadata[Group.OWNER],
    _key("owner_id"),  # of the box; of server annotations their reader, or the system for what all see
    _key("box_id"),  # 0: of the server
    _key("reader"),  # 0: shared
    sa.Column("entry", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

lsub = sa.Table(
    "lsub",  # names subscribed to (RFC 9051 6.3.7); they outlive their boxes
    metadata[Group.OWNER],
    _key("owner_id"),
    sa.Column("name", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

acl = sa.Table(
    "acl",  # who else may do what with a box (model.rights)
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("box_id"),
    sa.Column("kind", sa.SmallInteger, primary_key=True, nullable=False),  # GranteeKind
    _key("who"),  # a person's owner_id, a group's source box, 0 for anyone
    *(sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0")) for name in ("granted", "denied")),
    sqlite_with_rowid=False,
)

shared = sa.Table(
    "shared",  # where the boxes are that acl names somebody for: a row for each of its rows, on the shard of the reader
    metadata[Group.OWNER],
    _key("owner_id"),  # the reader; SYSTEM_OWNER for a group and for anyone
    _key("source_box"),  # the group; 0 for a person and for anyone
    _key("box_owner"),
    _key("box_id"),
    sqlite_with_rowid=False,
)

shared_tree = sa.Table(
    "shared_tree",  # accounts whose boxes are nobody's: AccountState.SHARED
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    sa.Column("name", sa.Text, primary_key=True),  # the first level of its boxes' names
    _big("tree_owner"),
    sqlite_with_rowid=False,
)

delivered_post = sa.Table(
    "delivered_post",
    metadata[Group.OWNER],
    # The order of columns keeps a row at 96 octets on PostgreSQL: wide ones first, no NULL.  No index on modseq:
    # it would rule out HOT updates of flags (distributed.md 6).
    _key("owner_id"),
    _key("box_id"),
    _key("uid"),
    _big("modseq"),
    _big("internaldate"),
    _big("savedate"),
    sa.Column("size", sa.Integer, nullable=False),  # octets of the message
    sa.Column("bits", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # model.flags
    _post_id("post_id"),
    _text("keywords"),  # sorted, separated by spaces
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "90"},
)
# By post, for "has this box the post already" and for the reaper.  The owner stands in it because a broadcast has a
# row for each of 100,000 readers, which the question for one box must not walk over.
sa.Index("delivered_post_post", delivered_post.c.post_id, delivered_post.c.owner_id)

expunged = sa.Table(
    "expunged",  # what has left a box, and with which change
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("box_id"),
    _key("modseq"),
    _key("uid"),
    # What it was, for a delivery that is done again after a crash; NULL: it left before that was written down
    sa.Column("post_id", PostIdType()),
    sqlite_with_rowid=False,
)

subscription = sa.Table(
    "subscription",
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("target_box"),
    _big("source_owner"),
    _key("source_box"),
    _big("joined"),  # the source's last UID when it began
    _big("watermark"),  # the last source UID handled; changed under the target box's lock only
    sqlite_with_rowid=False,
)

set_aside = sa.Table(
    "set_aside",  # posts that a box refused when a subscription carried them
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("box_id"),
    _post_id("post_id", primary_key=True),
    _big("source_box"),
    sa.Column("size", sa.Integer, nullable=False),
    _big("internaldate"),
    sa.Column("attempts", sa.Integer, nullable=False),
    _big("next_at"),  # HELD_AT: an administrator decides
    _big("lease_until", default=0),
    _big("created"),
    _text("last_error"),
    sa.Index("set_aside_next", "next_at"),
    sqlite_with_rowid=False,
)

active = sa.Table(
    "active",  # when somebody last looked at their mail, to the day: the agent carries for them
    metadata[Group.OWNER],
    _key("owner_id"),
    _big("seen"),
    sqlite_with_rowid=False,
)

agent_share = sa.Table(
    "agent_share",  # a part of all owners, which one agent at a time carries for
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("share"),
    _big("holder", default=0),
    _big("lease_until", default=0),
    _big("reached", default=0),  # agents.generation, up to which all of them have been carried
    _big("reached_at", default=0),
    sqlite_with_rowid=False,
)

source = sa.Table(
    "source",  # what a source box is besides a box
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("box_id"),
    sa.Column("address", sa.Text, nullable=False),
    _text("title"),
    sa.Column("post", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # PostPolicy
    _big("history", default=-1),  # what newcomers get: posts from that time on; newcomers.FROM_JOIN
    _big("expiry_s", default=0),  # after which a post leaves boxes where it was not touched; 0: never
    _text("bounces_to"),  # where bounces of its members elsewhere go; empty: to its owners
    sa.Column("outside", sa.Boolean, nullable=False, server_default=sa.false()),  # it has members elsewhere
    sa.Column("moderation", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # Moderation
    sa.Column("joining", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # Joining
    _text("archive"),  # URL of List-Archive, or empty
    _text("archived_at"),  # URL of Archived-At with {id} in it, or empty
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
    _key("owner_id"),  # of the source, SYSTEM_OWNER: the list of one group is on one shard
    _key("source_box"),  # 0: the administrators
    _key("member_owner"),
    _text("address"),  # of the member
    sa.Column("role", sa.SmallInteger, nullable=False, server_default=sa.text("1")),  # bits: MemberRole
    sa.Index("member_member", "owner_id", "member_owner"),  # what somebody who is deleted belongs to
    sqlite_with_rowid=False,
)

outside_member = sa.Table(
    "outside_member",  # of a source, who is elsewhere and gets copies by mail
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("source_box"),
    _text("address", primary_key=True),  # as written, its domain in lower case
    _text("token"),  # random: what the return path of their copies has in it
    sa.Column("bounces", sa.Integer, nullable=False, server_default=sa.text("0")),  # days on which mail came back
    _big("bounced", default=0),  # when that was last counted
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("outside_member_token", "owner_id", "token"),
    sqlite_with_rowid=False,
)

petition = sa.Table(
    "petition",  # who asks to join or to leave a source, and is not yet what they ask for
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("source_box"),
    sa.Column("address", sa.Text, primary_key=True, nullable=False),
    _big("member_owner"),  # of the address; 0: it is elsewhere
    sa.Column("leaves", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("state", sa.SmallInteger, nullable=False),  # petitions.State
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # who decides
    _text("digest"),  # SHA-256 of the token that confirms it, in hexadecimal; empty: none does
    _big("created"),
    _big("expires"),
    sqlite_with_rowid=False,
)

petition_token = sa.Table(
    "petition_token",  # by which an owner or moderator decides in a letter; goes with the row of petition
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("source_box"),
    sa.Column("address", sa.Text, primary_key=True, nullable=False),
    _key("moderator"),
    sa.Column("digest", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

tally = sa.Table(
    "tally",  # what is counted of a source for its limits
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("source_box"),
    sa.Column("what", sa.Text, primary_key=True, nullable=False),  # a conversation, a sender, all: intake.brake
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    _big("ends"),  # of the count, or of the time for which it is closed
    sqlite_with_rowid=False,
)

pinned = sa.Table(
    "pinned",  # posts of a source that newcomers get, whenever they join
    metadata[Group.OWNER],
    _key("owner_id"),
    _key("source_box"),
    _key("uid"),
    sqlite_with_rowid=False,
)

nested = sa.Table(
    "nested",  # groups that are members of a group
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _key("source_box"),
    _key("member_box"),
    sqlite_with_rowid=False,
)

withdrawal = sa.Table(
    "withdrawal",  # posts that are taken back, or will be at their end
    metadata[Group.OWNER],
    _key("owner_id"),  # SYSTEM_OWNER
    _post_id("post_id", primary_key=True),
    sa.Column("policy", sa.SmallInteger, nullable=False),  # Withdraw: from which boxes
    _big("begins"),
    _big("next_at"),  # the next sweep; withdraw.NEVER after the last
    _text("by"),  # the login of who has taken it back; empty: whoever runs the server, or its end
    # Rows in readers' boxes, for the report; of the last sweep: those that the policy left
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default=sa.text("0"))
        for name in ("removed", "removed_seen", "kept", "kept_seen")
    ),
    sa.Index("withdrawal_next", "owner_id", "next_at"),
    sqlite_with_rowid=False,
)

# post

post = sa.Table(
    "post",  # model.records.PostFacts, field by field
    metadata[Group.POST],
    _post_id("id", primary_key=True),
    _big("sent"),
    _post_id("thread"),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("sent_day", sa.Integer, nullable=False),
    *(
        sa.Column(name, sa.LargeBinary, nullable=False)
        for name in ("envelope", "body", "bodystructure", "header", "parts")
    ),
    *(_text(name) for name in ("sender", "subject", "message_id")),
    sa.Column("preview", sa.Text),  # NULL: accepted before there were previews
)

post_body = sa.Table(
    "post_body",
    metadata[Group.POST],
    _post_id("id", primary_key=True),
    # On PostgreSQL STORAGE EXTERNAL: not compressed, so that a slice reads only its own pages.
    sa.Column("raw", sa.LargeBinary, nullable=False),
)

post_search = sa.Table(
    "post_search",  # model.records.Sought, field by field, and the text; wide ones last, for they are read last
    metadata[Group.POST],
    _post_id("id", primary_key=True),
    sa.Column("sent", sa.BigInteger),
    sa.Column("reply", sa.Boolean, nullable=False, server_default=sa.false()),
    *(_text(name) for name in ("subject", "sender", "to", "cc", "sender_display", "to_display", "references", "head")),
    _text("text"),
)
# The index over head and text is not of this list: search_index.py makes it, where the database can have one.

search_todo = sa.Table(
    "search_todo",  # posts that the index does not have yet, or that have no row in post_search
    metadata[Group.POST],
    _post_id("id", primary_key=True),
    sqlite_with_rowid=False,
)

spool = sa.Table(
    "spool",  # accepted, and not yet in this box
    metadata[Group.POST],
    _post_id("post_id", primary_key=True),
    _key("owner_id"),
    _key("box_id"),
    sa.Column("source", sa.Boolean, nullable=False, server_default=sa.false()),  # the box is a source box
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    _big("next_at"),
    _big("lease_until", default=0),  # somebody tries it until then
    _big("created"),
    _text("last_error"),
    # Who is told when it cannot be put there: the envelope's sender, empty for <>
    _text("sender"),
    _text("wishes"),  # the recipients that led here, a line each: address, NOTIFY bits, ORCPT or nothing
    _text("envid"),
    _text("ret"),
    sa.Column("require_tls", sa.Boolean, nullable=False, server_default=sa.false()),  # of what its sender is told, too
    sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),  # of the delay
    sa.Index("spool_next", "next_at"),
    sqlite_with_rowid=False,
)

held = sa.Table(
    "held",  # accepted, and waiting for a moderator of this source
    metadata[Group.POST],
    _post_id("post_id", primary_key=True),
    _key("box_id"),
    _big("author", default=0),  # the account that has sent it; 0: nobody who had logged in
    _big("created"),
    _big("expires"),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),  # its moderators, and its author
    _text("sender"),
    _text("wishes"),
    _text("envid"),
    _text("ret"),
    sa.Index("held_expires", "expires"),
    sqlite_with_rowid=False,
)

held_token = sa.Table(
    "held_token",  # by which a moderator decides in a letter; goes with the row of held
    metadata[Group.POST],
    _post_id("post_id", primary_key=True),
    _key("box_id"),
    _key("moderator"),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the token, in hexadecimal
    sa.Index("held_token_digest", "digest"),
    sqlite_with_rowid=False,
)

outgoing = sa.Table(
    "outgoing",  # accepted for a mailbox elsewhere, and not yet taken by another server
    metadata[Group.POST],
    _post_id("post_id", primary_key=True),
    sa.Column("address", sa.Text, primary_key=True),  # as the sender wrote it, its domain in lower case
    _text("domain"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
    _big("next_at"),  # HELD_AT: an administrator holds it
    _big("lease_until", default=0),
    _big("created"),
    _text("last_error"),
    _text("sender"),  # of the envelope; empty for <>
    sa.Column("notify", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # model.records.Notify
    _text("orcpt"),
    _text("envid"),
    _text("ret"),
    _text("via"),  # the address of the source whose copy it is; empty: its sender named the address
    sa.Column("require_tls", sa.Boolean, nullable=False, server_default=sa.false()),  # RFC 8689
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default=sa.text("0")),  # RFC 6710
    sa.Column("warned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("outgoing_next", "next_at"),
    sqlite_with_rowid=False,
)

reap = sa.Table(
    "reap",  # posts that one pass of the reaper found in no box; a second pass later must agree
    metadata[Group.POST],
    _post_id("post_id", primary_key=True),
    _big("found"),
    sqlite_with_rowid=False,
)
