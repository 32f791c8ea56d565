"""The three groups of tables; no statement, foreign key or transaction crosses from one into another.

Each may be a database of its own (distributed.md 4, rule 12), which is how the tests show that nothing crosses.
"""

from enum import Enum

from opostd.config import StoreSettings


class Group(Enum):
    """directory: who has an address; owner: accounts, boxes and what is in them; post: messages and the spool."""

    DIRECTORY = "directory"
    OWNER = "owner"
    POST = "post"

    def url(self, settings: StoreSettings) -> str:
        """Where this group lives; the common URL when none is given for it."""
        own: dict[Group, str] = {
            Group.DIRECTORY: settings.directory_url,
            Group.OWNER: settings.owner_url,
            Group.POST: settings.post_url,
        }
        return own[self] or settings.url

    @property
    def version_table(self) -> str:
        """Where the group's schema revision stands."""
        return f"schema_{self.value}"
