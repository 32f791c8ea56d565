"""``opostd shared``: made, granted, listed, revoked, deleted; on both databases."""

import asyncio
import json

import pytest

from opostd.config import StoreSettings
from opostd.store import accounts, shared
from opostd.store.run import Store
from tests.cli.conftest import DOMAIN, Command
from tests.store.world import World


def sees(settings: StoreSettings, name: str) -> list[str]:
    """The boxes that others share with somebody."""

    async def look() -> list[str]:
        store = Store(settings)
        try:
            found = await store.run(accounts.address, f"{name}@{DOMAIN}")
            assert found is not None
            return sorted(each.name for each in await store.run(shared.visible, found.owner))
        finally:
            await store.close()

    return asyncio.run(look())


@pytest.fixture
def people(opostd: Command, store_settings: StoreSettings) -> Command:
    async def make() -> None:
        store = Store(store_settings)
        try:
            world = await World(store).make("anna", "bob", "cara")
            await world.group("staff", "anna", "bob")
        finally:
            await store.close()

    asyncio.run(make())
    return opostd


def test_from_the_first_to_the_last_day(people: Command, store_settings: StoreSettings) -> None:
    opostd = people
    assert opostd("shared", "list", "--json").out == "[]\n"
    said = opostd("shared", "create", "team", "--grant", f"staff@{DOMAIN}=write", "--grant", "anna=all")
    assert said.out == f"Shared/team   staff@{DOMAIN} lrswited   anna lrswipkxtecda\n"
    assert opostd("shared", "create", "team").status == 73
    assert opostd("shared", "create", "team/2026").out.startswith("Shared/team/2026   nobody sees it yet")
    assert sees(store_settings, "bob") == ["Shared/team", "Shared/team/2026"]
    assert opostd("shared", "grant", "team/2026", "bob", "w", "--deny").out == "Shared/team/2026   -bob w\n"
    rows = json.loads(opostd("shared", "list", "--json").out)
    assert [(row["name"], row["who"], row["rights"]) for row in rows] == [
        ("team", f"anna@{DOMAIN}", "lrswipkxtecda"),
        ("team", f"staff@{DOMAIN}", "lrswited"),
        ("team/2026", f"anna@{DOMAIN}", "lrswipkxtecda"),
        ("team/2026", f"staff@{DOMAIN}", "lrswited"),
        ("team/2026", f"-bob@{DOMAIN}", "w"),
    ]
    assert opostd("shared", "grant", "team", "cara", "read", "--below").status == 0
    assert sees(store_settings, "cara") == ["Shared/team", "Shared/team/2026"]
    assert opostd("shared", "revoke", "team", "cara").status == 0
    assert sees(store_settings, "cara") == ["Shared/team/2026"]
    assert opostd("shared", "delete", "team/2026").status == 64  # nobody to ask
    assert opostd("shared", "delete", "team/2026", "-y").out == "Shared/team/2026   deleted\n"
    assert sees(store_settings, "bob") == ["Shared/team"]
    assert opostd("user", "list").out.count("team") == 0
    assert opostd("box", "list", "--all").status == 0
    assert opostd("shared", "delete", "team", "-y").status == 0
    assert sees(store_settings, "anna") == []
    assert opostd("shared", "delete", "team", "-y").status == 66


def test_what_a_person_shares(people: Command, store_settings: StoreSettings) -> None:
    opostd = people
    assert opostd("shared", "grant", f"anna@{DOMAIN}/Archive", "anyone", "read").status == 0
    assert opostd("shared", "grant", f"anna@{DOMAIN}/INBOX", "bob", "lr").status == 0
    assert sees(store_settings, "cara") == [f"Shared/anna@{DOMAIN}/Archive"]
    rows = json.loads(opostd("shared", "list", "anna", "--json").out)
    assert [(row["name"], row["who"], row["rights"]) for row in rows] == [
        (f"anna@{DOMAIN}/Archive", "anyone", "lrs"),
        (f"anna@{DOMAIN}/INBOX", f"bob@{DOMAIN}", "lr"),
    ]
    assert opostd("user", "delete", "bob", "-y").status == 0
    assert len(json.loads(opostd("shared", "list", "anna", "--json").out)) == 1


MISTAKES: list[tuple[tuple[str, ...], int]] = [
    (("create", "a@b"), 65),
    (("create", "nothing/below"), 66),
    (("create", "x", "--grant", "anna"), 64),
    (("create", "x", "--grant", "anna=lrq"), 64),
    (("create", "x", "--grant", "nobody=read"), 66),
    (("grant", "nothing", "anna", "read"), 66),
    (("grant", f"anna@{DOMAIN}/INBOX", "bob", "Read"), 64),
    (("grant", f"anna@{DOMAIN}/INBOX", "nobody", "read"), 66),
    (("grant", f"anna@{DOMAIN}/INBOX", "anna", "read"), 77),
    (("grant", f"nobody@{DOMAIN}/INBOX", "anna", "read"), 66),
    (("revoke", f"anna@{DOMAIN}/INBOX", "bob"), 0),
    (("delete", f"anna@{DOMAIN}/INBOX", "-y"), 64),
    (("delete", "nothing", "-y"), 66),
    (("list", "nobody"), 66),
]


def test_mistakes(people: Command) -> None:
    for arguments, status in MISTAKES:
        said = people("shared", *arguments)
        assert said.status == status, said
        assert (said.err == "") == (status == 0)
