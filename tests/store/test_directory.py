"""Who gets an address: of a group and those beside it, all or none; and those of groups from before there were any."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from opostd.config import StoreSettings
from opostd.model.records import AddressKind
from opostd.store import accounts, migrate, provision
from opostd.store.groups import Group
from opostd.store.run import Store
from tests.store.world import DOMAIN, NOW, World

STEP = "0012"


def test_groups_from_before_get_their_addresses(store_settings: StoreSettings) -> None:
    """But for those that somebody has already, who keeps them."""

    async def make() -> None:
        store = Store(store_settings)
        world = await World(store).make("anna")
        await world.group("team", "anna")
        await store.close()

    async def look() -> None:
        store = Store(store_settings)
        team = await store.run(accounts.address, f"team@{DOMAIN}")
        join = await store.run(accounts.address, f"team-join@{DOMAIN}")
        owner = await store.run(accounts.address, f"team-owner@{DOMAIN}")
        assert team is not None
        assert join is not None
        assert owner is not None
        assert (join.kind, join.box, join.target) == (AddressKind.SERVICE, team.box, "join")
        assert owner.kind is AddressKind.USER
        assert await store.run(accounts.address, f"everyone-leave@{DOMAIN}") is not None
        await provision.delete_group(store, f"team@{DOMAIN}")
        assert await store.run(accounts.address, f"team-owner@{DOMAIN}") == owner
        assert await store.run(accounts.address, f"team-join@{DOMAIN}") is None
        await store.close()

    asyncio.run(make())
    module = ScriptDirectory(str(migrate.FOLDER)).get_revision(STEP).module
    engine = sa.create_engine(store_settings.url, execution_options={"outside": True})
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM address WHERE kind = 3"))
        connection.execute(
            sa.text("INSERT INTO address (addr, owner_id, kind, box_id, target) VALUES (:addr, 77, 0, 0, '')"),
            {"addr": f"team-owner@{DOMAIN}"},
        )
        with Operations.context(MigrationContext.configure(connection)):
            module.upgrade(Group.DIRECTORY)
    engine.dispose()
    asyncio.run(look())


@pytest.mark.parametrize("word", ["join", "leave", "owner", "request"])
def test_two_who_want_the_same_at_once(store: Store, word: str) -> None:
    """A person and a group, whose address beside it that would be: one of them gets all, the other nothing."""

    async def main() -> None:
        from opostd.model.errors import AddressTaken
        from opostd.model.records import PostPolicy

        await World(store).make()
        results = await asyncio.gather(
            provision.add_group(store, f"team@{DOMAIN}", title="", members=[], post=PostPolicy.LOCAL, now=NOW),
            provision.add_user(store, f"team-{word}@{DOMAIN}", secret=None, now=NOW),
            return_exceptions=True,
        )
        assert sum(isinstance(each, AddressTaken) for each in results) == 1, results
        there = await store.run(accounts.address, f"team@{DOMAIN}")
        assert (there is None) is isinstance(results[0], AddressTaken)

    asyncio.run(main())
