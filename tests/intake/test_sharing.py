"""Whom an identifier names, and whose a box is."""

import pytest

from opostd.intake.sharing import box_at, grantee_named
from opostd.model.errors import NoSuchAddress, NoSuchBox, Refused
from opostd.model.rights import ANYONE, Grantee, GranteeKind
from opostd.store import provision, shared
from opostd.store.run import Store
from tests.store.world import DOMAIN, NOW, World, run


def test_identifiers(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna", "anyone")
        team = await world.group("team", "anna")
        await provision.add_alias(store, f"boss@{DOMAIN}", [f"anna@{DOMAIN}"])
        anna = Grantee(GranteeKind.PERSON, world.owner("anna"))
        group = Grantee(GranteeKind.GROUP, team)
        for name, grantee in (
            ("anna", anna),
            (f"ANNA@{DOMAIN.upper()}", anna),
            ("team", group),
            (f"$team@{DOMAIN}", group),
            ("$Team", group),
            ("anyone", ANYONE),
            ("Anyone", ANYONE),
            (f"anyone@{DOMAIN}", Grantee(GranteeKind.PERSON, world.owner("anyone"))),
        ):
            assert await grantee_named(store, (DOMAIN,), name) == grantee, name
        for bad in ("nobody", "$anna", "boss", "everyone", "anna@elsewhere.example", "$", "a b", "@", "$$team", "*"):
            with pytest.raises(NoSuchAddress):
                await grantee_named(store, (DOMAIN,), bad)

    run(main())


def test_whose_a_box_is(store: Store) -> None:
    async def main() -> None:
        world = await World(store).make("anna")
        made = await store.run(shared.add_tree, "team", NOW)
        assert (await box_at(store, (DOMAIN,), "team")).box == made.box
        assert (await box_at(store, (DOMAIN,), f"Anna@{DOMAIN}/inbox")).box == world.inbox["anna"]
        for bad in ("nothing", "team/nothing", f"anna@{DOMAIN}/nothing", f"anna@{DOMAIN}"):
            with pytest.raises(NoSuchBox):
                await box_at(store, (DOMAIN,), bad)
        for bad in (f"nobody@{DOMAIN}/INBOX", "anna@elsewhere.example/INBOX"):
            with pytest.raises(Refused):
                await box_at(store, (DOMAIN,), bad)

    run(main())
