"""A database that refuses a row: one post for one owner, as a damaged page or a constraint would."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from opostd.config import StoreSettings
from opostd.model.ids import OwnerId, PostId

SQLITE = """
    CREATE TRIGGER refuse_{name} BEFORE INSERT ON delivered_post
    WHEN NEW.post_id = x'{post}' AND NEW.owner_id = {owner}
    BEGIN SELECT RAISE(ABORT, 'refused here'); END"""
POSTGRES = """
    ALTER TABLE delivered_post ADD CONSTRAINT refuse_{name}
    CHECK (NOT (post_id = '{post}' AND owner_id = {owner})) NOT VALID"""


@contextmanager
def refused(settings: StoreSettings, owner: OwnerId, *posts: PostId) -> Iterator[None]:
    """Until the end of the block."""
    engine = sa.create_engine(settings.url, execution_options={"outside": True})
    sqlite = engine.dialect.name == "sqlite"
    drop = "DROP TRIGGER refuse_{name}" if sqlite else "ALTER TABLE delivered_post DROP CONSTRAINT refuse_{name}"

    def execute(text: str) -> None:
        with engine.begin() as connection:
            for number, post in enumerate(posts):
                connection.execute(sa.text(text.format(name=number, post=post.hex(), owner=owner).replace(":", "\\:")))

    execute(SQLITE if sqlite else POSTGRES)
    try:
        yield
    finally:
        execute(drop)
        engine.dispose()
