"""The intake of a command: what the doors of a running server have, for one command."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from opostd.config import Settings

if TYPE_CHECKING:
    from opostd.intake.intake import Intake
    from opostd.store.run import Store


@contextlib.asynccontextmanager
async def open_intake(store: "Store", settings: Settings) -> "AsyncIterator[Intake]":
    """An intake over the store, closed afterwards, with what it has accepted delivered."""
    from opostd.intake.intake import Intake
    from opostd.render.pool import RenderPool

    renderer = RenderPool(settings.render)
    intake = Intake(
        store,
        renderer,
        limits=settings.limits,
        hostname=settings.hostname,
        domains=settings.domains,
        relay=settings.relay.via != "off",
        retries=settings.queue,
        groups=settings.groups,
        quota=settings.quota.limits,
        web=settings.http.url,
    )
    try:
        yield intake
    finally:
        await intake.close()
        renderer.close()
