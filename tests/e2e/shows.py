"""What the shows share: one daemon with many people, commands in this process, and a look at the tables."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from opostd.model.records import PostPolicy
from opostd.store import accounts, provision
from opostd.store.run import Store
from tests.e2e.conftest import DOMAIN, NOW, Site, add_users
from tests.e2e.mailbox import imap, submission, text_mail


@dataclass
class Stage:
    """A served site, and short words for what is shown on it."""

    site: Site

    def people(self, *names: str) -> None:
        asyncio.run(add_users(self.site.settings, *names))

    def group(self, name: str, *members: str, post: PostPolicy = PostPolicy.MEMBERS) -> None:
        async def make() -> None:
            store = Store(self.site.settings)
            found = await store.run(accounts.addresses, [f"{member}@{DOMAIN}" for member in members])
            owners = [each.owner for each in found.values()]
            await provision.add_group(store, f"{name}@{DOMAIN}", title=name, members=owners, post=post, now=NOW)
            await store.close()

        asyncio.run(make())

    def opostd(self, *arguments: str) -> str:
        """A command of the command line; fails when its status is not 0."""
        return self.site.cli(*arguments)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.opostd(*arguments, "--json"))

    def send(self, sender: str, to: str, subject: str, body: str = "text") -> None:
        with submission(self.site, sender) as client:
            client.send_message(text_mail(sender, to, subject, body))

    def post(self, group: str, subject: str) -> str:
        """The id of a post of a group."""
        (found,) = [each["id"] for each in self.json("post", "list", group) if each["subject"] == subject]
        return str(found)

    def count(self, question: str) -> int:
        """A number out of the database, which nobody of the store is asked for."""
        engine = sa.create_engine(self.site.settings.url, execution_options={"outside": True})
        with engine.connect() as connection:
            found = int(connection.execute(sa.text(f"SELECT count(*) FROM {question}")).scalar_one())
        engine.dispose()
        return found

    def fetched(self, who: str, items: str, box: str = "INBOX") -> list[str]:
        """FETCH 1:* of a box, a text for each message."""
        with imap(self.site, who) as client:
            _, (count,) = client.select(box, readonly=True)
            if count == b"0":
                return []
            _, answer = client.fetch("1:*", f"({items})")
            return [each.decode() for each in answer if isinstance(each, bytes)]

    def email_ids(self, who: str, box: str = "INBOX") -> list[str]:
        return [re.findall(r"EMAILID \((\S+?)\)", each)[0] for each in self.fetched(who, "EMAILID", box)]
