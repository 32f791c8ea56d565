"""Who asks, and what a handler has to answer with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.requests import Request

from opostd.http.front import Client
from opostd.http.services import Services
from opostd.intake.intake import Intake
from opostd.model.errors import NoSuchPost
from opostd.model.ids import OwnerId, PostId
from opostd.model.records import Account
from opostd.store.accounts import fold_address
from opostd.store.run import Store

PREFIX = "/postapi"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has logged in."""

    services: Services
    account: Account
    client: Client

    @property
    def owner(self) -> OwnerId:
        return self.account.owner

    @property
    def store(self) -> Store:
        return self.services.store

    @property
    def intake(self) -> Intake:
        return self.services.intake

    @property
    def now(self) -> int:
        return self.services.now()

    def folded(self, address: str) -> str:
        """An address as the directory has it.  Raises BadAddress."""
        return fold_address(address.strip(), self.services.settings.domains)


async def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["opostd.caller"]
    return caller


Me = Annotated[Caller, Depends(_caller)]
PostName = Annotated[str, Path(alias="id", description="An id of a post: 32 hexadecimal digits.")]
BoxName = Annotated[str, Query(alias="box", max_length=1000, description="Only in this mailbox.")]


def post_id(text: str) -> PostId:
    """Raises NoSuchPost."""
    try:
        octets = bytes.fromhex(text) if text.isascii() and len(text) <= 36 else b""
    except ValueError:
        octets = b""
    if len(octets) != 16:
        raise NoSuchPost("an id of a post has 32 hexadecimal digits")
    return PostId(octets)
