"""Tables beside the posts: how far these came, what is to be removed, and who was told to come again."""

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.schema_columns import big, key, metadata, post_id

greylist = sa.Table(
    "greylist",  # clients that were told to come again, and those that have: store.greylist
    metadata[Group.POST],
    key("place"),
    big("mark"),
    big("begins"),
    big("ends"),
    sa.Index("greylist_ends", "ends"),
    sqlite_with_rowid=False,
)

reached = sa.Table(
    "reached",  # store.reach.Reach of a post of a source, field by field, as it was then
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    key("at"),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("subscribed", "carried", "have", "seen", "flagged", "gone", "dismissed")
    ),
    sqlite_with_rowid=False,
)

reap = sa.Table(
    "reap",  # posts that one pass of the reaper found in no box; a second pass later must agree
    metadata[Group.POST],
    post_id("post_id", primary_key=True),
    big("found"),
    sqlite_with_rowid=False,
)
