"""What the HTTP door offers to those who answer."""

from collections.abc import Callable
from dataclasses import dataclass, field

from opostd.auth.login import Authenticator
from opostd.config import Settings
from opostd.intake.intake import Intake
from opostd.model.clock import wall_clock
from opostd.model.counts import Counts
from opostd.model.ids import OwnerId
from opostd.model.records import Quota
from opostd.nouns.bodies import Cleaner
from opostd.store.activity import Activity
from opostd.store.run import Store


@dataclass(frozen=True, slots=True)
class Services:
    """settings: of the whole server, of which a few are told (names, limits)."""

    store: Store
    intake: Intake
    auth: Authenticator
    cleaner: Cleaner
    activity: Activity
    settings: Settings
    now: Callable[[], int] = wall_clock
    counts: Counts = field(default_factory=Counts)

    async def saw(self, owner: OwnerId) -> None:
        """Somebody looks at their mail: the agent carries for them."""
        self.activity.saw(owner)
        await self.activity.flush()

    @property
    def quota(self) -> Quota:
        return self.settings.quota.limits
