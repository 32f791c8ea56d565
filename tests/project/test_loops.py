"""Plain tests may start a loop of their own, and tests of the reactor work beside them."""

import asyncio

import pytest_twisted
from twisted.internet import reactor, task


def test_a_loop_before() -> None:
    assert asyncio.run(asyncio.sleep(0, 1)) == 1


@pytest_twisted.ensureDeferred
async def test_the_reactor() -> None:
    await task.deferLater(reactor, 0, lambda: None)
    assert asyncio.get_running_loop() is reactor._asyncioEventloop


def test_a_loop_after() -> None:
    assert asyncio.run(asyncio.sleep(0, 2)) == 2


@pytest_twisted.inlineCallbacks
def test_the_reactor_again():
    yield task.deferLater(reactor, 0, lambda: None)
    assert reactor.running
