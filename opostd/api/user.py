"""Who one is, one's mailboxes, and what there is here."""

from dataclasses import dataclass

from opostd.api.caller import PREFIX, Me
from opostd.nouns import boxes
from opostd.nouns.boxes import BoxRow


@dataclass(frozen=True, slots=True)
class User:
    address: str
    name: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Index:
    """Where things are."""

    user: str = f"{PREFIX}/user"
    boxes: str = f"{PREFIX}/boxes"
    posts: str = f"{PREFIX}/posts"
    groups: str = f"{PREFIX}/groups"
    held: str = f"{PREFIX}/held"
    subscriptions: str = f"{PREFIX}/subscriptions"
    openapi: str = f"{PREFIX}/openapi.json"
    docs: str = f"{PREFIX}/docs"


async def index(me: Me) -> Index:
    return Index()


async def user(me: Me) -> User:
    return User(me.account.login, me.account.name, me.account.admin)


async def list_boxes(me: Me) -> list[BoxRow]:
    return await boxes.listing(me.store, me.owner, me.now)
