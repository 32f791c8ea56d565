"""Who asks, and what a handler has to answer with."""

from dataclasses import dataclass

from opostd.http.front import Client
from opostd.http.services import Services
from opostd.intake.intake import Intake
from opostd.model.ids import OwnerId
from opostd.model.records import Account
from opostd.store.accounts import fold_address
from opostd.store.run import Store


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
