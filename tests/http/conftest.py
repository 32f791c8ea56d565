"""A real daemon with an HTTP door and some people, over each database; one for all tests of a module."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from opostd.config import StoreSettings
from opostd.model.records import MemberRole, PostPolicy
from opostd.store import accounts, provision, schema
from opostd.store.run import Store
from tests.e2e.conftest import CONFIG, DOMAIN, NOW, PASSWORD, Site, add_users
from tests.support.daemon import start_daemon

HTTP = """
[http]
listen = ["127.0.0.1:{{http}}"]
listen_tls = ["127.0.0.1:{{https}}"]
proxy_from = ["127.0.0.9"]
"""
PEOPLE = ("root", "anna", "bob", "carl", "dora", "eve")


async def people(settings: StoreSettings) -> None:
    """root is an administrator; anna and bob read team; dora moderates news, and owns it; eve has nothing."""
    await add_users(settings, *PEOPLE)
    store = Store(settings)
    found = await store.run(accounts.addresses, [f"{name}@{DOMAIN}" for name in PEOPLE])
    owner = {addr.partition("@")[0]: each.owner for addr, each in found.items()}
    for name, members, post in (("team", ("anna", "bob"), PostPolicy.MEMBERS), ("news", ("anna",), PostPolicy.LOCAL)):
        await provision.add_group(
            store, f"{name}@{DOMAIN}", title=name.title(), members=[owner[each] for each in members], post=post, now=NOW
        )
    await provision.give_role(store, f"news@{DOMAIN}", owner["dora"], MemberRole.OWNER | MemberRole.MODERATOR)
    await store.close()


def served(settings: StoreSettings, folder: Path, more: str = "") -> Iterator[Site]:
    asyncio.run(people(settings))
    text = CONFIG.replace('url = "{url}"', 'url = "{url}"\nretry_deadline_s = 1.0').format(url=settings.url)
    text += HTTP.format() + more
    daemon = start_daemon(folder, config_text=text, migrate=False)
    try:
        yield Site(daemon.config, daemon, settings)
    finally:
        assert daemon.stop() == 0, daemon.output
        assert "incident" not in daemon.output


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("http")
    if request.param == "sqlite":
        shutil.copy(sqlite_template, folder / "opostd.db")
        yield from served(StoreSettings(url=f"sqlite:///{folder}/opostd.db"), folder)
        return
    server = request.getfixturevalue("postgres_server")
    url = server.borrow_database()
    yield from served(StoreSettings(url=url), folder)
    server.give_back(url, [name for metadata in schema.metadata.values() for name in metadata.tables])


@pytest.fixture(scope="module")
def quick(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """On SQLite, for what depends on no database."""
    folder = tmp_path_factory.mktemp("http")
    shutil.copy(sqlite_template, folder / "opostd.db")
    yield from served(StoreSettings(url=f"sqlite:///{folder}/opostd.db"), folder)


def api(site: Site, name: str = "anna", password: str = PASSWORD) -> httpx.Client:
    """Somebody's client."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{site.daemon.ports['http']}/postapi", auth=(name, password), timeout=30
    )


def send(client: httpx.Client, subject: str, *to: str, text: str = "text") -> str:
    """The id of a new post."""
    answer = client.post("/posts", json={"to": list(to), "subject": subject, "text": text})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found
