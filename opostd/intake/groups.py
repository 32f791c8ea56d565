"""What a group has besides its posts, put together: its moderators, its members, its brake, and the server's desk."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from opostd.config import GroupSettings
from opostd.intake.brake import Brake
from opostd.intake.deliver import Deliverer
from opostd.intake.desk import Desk
from opostd.intake.membership import Membership
from opostd.intake.moderation import Moderators
from opostd.intake.office import Office
from opostd.intake.recalling import Recalling
from opostd.intake.rounds import Rounds
from opostd.intake.route import Router
from opostd.intake.tell import Teller
from opostd.model.mailing import Mailing
from opostd.store.run import Store


class Groups:
    """kept: told of letters that are kept; leaving: called when something leaves; begin: sees to work that is begun."""

    def __init__(
        self,
        store: Store,
        router: Router,
        teller: Teller,
        deliverer: Deliverer,
        *,
        settings: GroupSettings,
        hostname: str,
        kept: Callable[[Sequence[Mailing]], None],
        leaving: Callable[[], None],
        begin: Callable[[Coroutine[Any, Any, None]], object],
        now: Callable[[], int],
    ) -> None:
        office = Office(store, hostname=hostname, kept=kept, now=now)
        self.moderators = Moderators(
            store, router, teller, deliverer, office=office, settings=settings, kept=kept, leaving=leaving, now=now
        )
        self.membership = Membership(store, router, office, settings=settings, now=now)
        self.recalling = Recalling(store, router, settings=settings, now=now)
        self.brake = Brake(store, router, office, settings=settings, now=now)
        self.desk = Desk(store, office, self.moderators, self.membership, self.recalling, begin)
        self.rounds = Rounds([self.moderators.once, self.membership.once])
