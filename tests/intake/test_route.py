"""Addresses to boxes: policies, aliases, tags, postmaster, in one table."""

import asyncio
from typing import Any

import pytest

from opostd.config import StoreSettings
from opostd.intake.route import NOTHING, Known
from opostd.model.errors import BadAddress, LimitReached, NoSuchAddress, NotAllowed, OpostError, Unavailable
from opostd.store import boxes, provision
from opostd.store.run import Store
from tests.intake.world import DOMAIN, OTHER, World, add_groups, world

# sender (None: from outside), address, and whose INBOX or which source it leads to, or the error
TABLE: list[tuple[str | None, str, set[str] | type[OpostError]]] = [
    (None, f"anna@{DOMAIN}", {"anna"}),
    (None, f"ANNA@{DOMAIN.upper()}", {"anna"}),
    (None, "anna", {"anna"}),
    (None, f"anna+tag@{DOMAIN}", {"anna"}),
    (None, f"anna+a+b@{DOMAIN}", {"anna"}),
    (None, f"+tag@{DOMAIN}", NoSuchAddress),
    (None, f"nobody@{DOMAIN}", NoSuchAddress),
    (None, f"nobody+tag@{DOMAIN}", NoSuchAddress),
    (None, f"anna@{OTHER}", NoSuchAddress),
    (None, "anna@elsewhere.example", BadAddress),
    (None, "anna@", BadAddress),
    # sources
    (None, f"anyone@{DOMAIN}", {"anyone@"}),
    (None, f"local@{DOMAIN}", NotAllowed),
    (None, f"members@{DOMAIN}", NotAllowed),
    (None, f"named@{DOMAIN}", NotAllowed),
    (None, f"admins@{DOMAIN}", NotAllowed),
    (None, f"everyone@{DOMAIN}", NotAllowed),
    (None, f"anyone+tag@{DOMAIN}", NoSuchAddress),
    ("anna", f"local@{DOMAIN}", {"local@"}),
    ("anna", f"members@{DOMAIN}", NotAllowed),
    ("bob", f"members@{DOMAIN}", {"members@"}),
    ("anna", f"named@{DOMAIN}", {"named@"}),
    ("bob", f"named@{DOMAIN}", NotAllowed),
    ("anna", f"admins@{DOMAIN}", NotAllowed),
    ("bob", f"everyone@{DOMAIN}", NotAllowed),
    ("root", f"everyone@{DOMAIN}", {"everyone@"}),
    ("root", f"everyone@{OTHER}", {f"everyone@{OTHER}"}),
    ("root", f"members@{DOMAIN}", {"members@"}),
    # aliases
    (None, f"sales@{DOMAIN}", {"anna", "bob"}),
    (None, f"sales+x@{DOMAIN}", {"anna", "bob"}),
    (None, f"all-sales@{DOMAIN}", {"anna", "bob", "root"}),
    (None, f"ring1@{DOMAIN}", {"anna"}),
    (None, f"empty-ring@{DOMAIN}", NoSuchAddress),
    (None, f"half@{DOMAIN}", {"anna"}),
    (None, f"dead@{DOMAIN}", NoSuchAddress),
    (None, f"to-local@{DOMAIN}", NotAllowed),
    ("bob", f"to-local@{DOMAIN}", {"anna", "local@"}),
    (None, f"deep9@{DOMAIN}", {"anna"}),
    (None, f"deep10@{DOMAIN}", LimitReached),
    # postmaster
    (None, "postmaster", {"root"}),
    (None, f"PostMaster@{DOMAIN}", {"root"}),
    (None, f"postmaster@{OTHER}", {"root"}),
    (None, "postmaster@elsewhere.example", BadAddress),
]

ALIASES = {
    "sales": ["anna", "bob", "anna+x"],
    "all-sales": ["sales", "root", "bob"],
    "ring1": ["ring2", "anna"],
    "ring2": ["ring1"],
    "empty-ring": ["empty-ring"],
    "half": ["nobody", "anna"],
    "dead": ["nobody"],
    "to-local": ["anna", "local"],
    "deep0": ["anna"],
    **{f"deep{n}": [f"deep{n - 1}"] for n in range(1, 13)},
}


async def named_boxes(world: World) -> dict[tuple[int, int], str]:
    names: dict[tuple[int, int], str] = {}
    for name, account in world.people.items():
        box = await world.store.run(boxes.box_named, account.owner, "INBOX")
        names[account.owner, box.box] = name
    return names


async def check(world: World, names: dict[tuple[int, int], str], known: Known = NOTHING) -> None:
    for sender, address, wanted in TABLE:
        account = world.people[sender] if sender else None
        if isinstance(wanted, type):
            with pytest.raises(wanted):
                await world.intake.route(address, account, known)
            continue
        found = set()
        targets = await world.intake.route(address, account, known)
        for target in targets:
            if target.source:
                source = (await world.store.run(provision.source, target.box)).address
                found.add(source.removesuffix(DOMAIN))
            else:
                found.add(names[target.owner, target.box])
        assert found == wanted, address
        assert len(targets) == len(found), address


def test_table(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await add_groups(here)
            for name, leads_to in ALIASES.items():
                await provision.add_alias(store, f"{name}@{DOMAIN}", [f"{each}@{DOMAIN}" for each in leads_to])
            names = await named_boxes(here)
            await check(here, names)
            await check(here, names, await here.intake.ahead([address for _, address, _ in TABLE]))
            await provision.add_alias(store, f"postmaster@{DOMAIN}", [f"anna@{DOMAIN}"])
            (target,) = await here.intake.route("postmaster", None)
            assert names[target.owner, target.box] == "anna"

    asyncio.run(main())


def test_what_was_asked_together_is_not_asked_again(postgres_settings: StoreSettings) -> None:
    """Of people, who nearly all recipients are; what is not there is not asked for again either."""

    async def main() -> None:
        store = Store(postgres_settings)
        async with world(store) as here:
            people = [f"{name}@{DOMAIN}" for name in here.people]
            known = await here.intake.ahead([*people, f"nobody@{DOMAIN}", "x@elsewhere.example", "a..b"])
            assert known.keys() == {*people, f"nobody@{DOMAIN}"}
            await store.close()  # whoever asks now fails
            for address in people:
                await here.intake.check_room(await here.intake.route(address, None, known), 1)
            with pytest.raises(NoSuchAddress):
                await here.intake.route(f"nobody@{DOMAIN}", None, known)
            with pytest.raises(Unavailable):
                await here.intake.route(f"bob+x@{DOMAIN}", None, known)

    asyncio.run(main())


def test_own_addresses(store: Store) -> None:
    async def main() -> None:
        async with world(store) as here:
            await add_groups(here)
            await provision.add_alias(store, f"sales@{DOMAIN}", [f"anna@{DOMAIN}", f"bob@{DOMAIN}"])
            anna, root = here.people["anna"], here.people["root"]
            for own in ("anna", f"ANNA@{DOMAIN}", f"anna+x@{DOMAIN}", f"sales@{DOMAIN}"):
                assert await here.intake.owns(own, anna), own
            for foreign in ("bob", "local", f"anna@{OTHER}", "x@elsewhere.example", "nobody", "", "a b@c"):
                assert not await here.intake.owns(foreign, anna), foreign
            assert not await here.intake.owns("anna", root)

    asyncio.run(main())


def test_postmaster_without_an_administrator_is_nobody(store: Store) -> None:
    async def main() -> None:
        async with world(store, "anna") as here:
            with pytest.raises(NoSuchAddress):
                await here.intake.route("postmaster", None)

    asyncio.run(main())


def test_what_is_told_goes_to_people(store: Store) -> None:
    """Not to a group, whose members would all hear it, and not to the server itself."""

    async def main() -> None:
        async with world(store) as here:
            await add_groups(here)
            await provision.add_alias(store, f"both@{DOMAIN}", [f"anna@{DOMAIN}", f"anyone@{DOMAIN}"])
            router = here.intake._router
            names = await named_boxes(here)
            for address in ("anna", "both"):
                (target,) = await router.route_report(f"{address}@{DOMAIN}")
                assert names[target.owner, target.box] == "anna"
            (target,) = await router.route_report(f"anyone-owner@{DOMAIN}")
            assert names[target.owner, target.box] == "root"
            for address in ("anyone", "anyone-join", "local-request", "nobody"):
                with pytest.raises((NoSuchAddress, NotAllowed)):
                    await router.route_report(f"{address}@{DOMAIN}")

    asyncio.run(main())


class Counting(Store):
    """A store that counts what it is asked."""

    asked = 0

    async def run(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return await super().run(*args, **kwargs)

    async def glance(self, *args: Any, **kwargs: Any) -> Any:
        before = self.asked
        found = await super().glance(*args, **kwargs)
        self.asked = before + 1  # by ``run``, where it cannot be found at once
        return found


def test_a_broadcast_asks_little_more_than_direct_mail(store_settings: StoreSettings) -> None:
    """From RCPT to 250: for its source and the groups below it once, whatever the number of its readers."""
    store = Counting(store_settings)

    async def main() -> None:
        async with world(store) as here:
            await add_groups(here)
            asked: dict[str, list[int]] = {}
            for to in ("anna", "everyone", "anna", "everyone"):  # the first time, more is asked
                before = store.asked
                await here.submit("s", to, sender="root")
                asked.setdefault(to, []).append(store.asked - before)
            assert asked["everyone"][1] == asked["anna"][1] + 1

    asyncio.run(main())
