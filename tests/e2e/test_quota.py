"""Quotas on the running server: set in the configuration, changed from the command line, right after a kill."""

import asyncio
from pathlib import Path

from opostd.model.errors import NoSuchBox
from opostd.store import accounts, quota
from opostd.store.quota import Difference
from opostd.store.run import Store
from tests.e2e.conftest import DOMAIN, Site
from tests.e2e.faults import Reader, Sender, site_over, sqlite_in, until

FULL = "452 4.2.2 mailbox full"


async def differences(site: Site) -> list[Difference]:
    store = Store(site.settings)
    try:
        found = await store.run(accounts.address, f"anna@{DOMAIN}")
        if found is None:
            raise NoSuchBox
        return await store.run(quota.differences, found.owner)
    finally:
        await store.close()


def test_a_quota(tmp_path: Path) -> None:
    with site_over(sqlite_in(tmp_path), tmp_path, tables="\n[quota]\nmessages = 2\n") as site:
        with Sender(site) as sender, Reader(site) as reader:
            assert sender.deliver("one").startswith("250")
            assert reader.append("two").startswith("OK [APPENDUID")
            assert sender.deliver("three") == FULL
            assert reader.append("four").startswith("NO [OVERQUOTA]")
            assert reader.ask("GETQUOTAROOT INBOX").startswith("OK")
            assert reader.said == ['* QUOTAROOT INBOX ""\r\n', '* QUOTA "" (MESSAGE 2 2 MAILBOX 6 10000)\r\n']
            site.cli("user", "quota", "anna", "--messages", "3")
            assert until(lambda: sender.deliver("five").startswith("250"))
            assert sender.deliver("six") == FULL
            site.cli("user", "quota", "anna", "--storage", "1", "--messages", "none")
            assert until(lambda: reader.append("seven").startswith("NO [OVERQUOTA]"))
            site.cli("user", "quota", "anna", "--storage", "default", "--messages", "none")
            assert until(lambda: sender.deliver("eight").startswith("250"))
        site.daemon.kill()
        assert asyncio.run(differences(site)) == []
        site.daemon.restart()
        with Reader(site) as reader:
            assert reader.ask('GETQUOTA ""').startswith("OK")
            assert reader.said == ['* QUOTA "" (MAILBOX 6 10000)\r\n']
            assert reader.ask("SELECT INBOX").startswith("OK")
            assert "* 3 EXISTS\r\n" in reader.said
