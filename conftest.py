"""Plain tests run outside of Twisted's reactor, so that they may call ``asyncio.run``.

pytest-twisted runs every test inside the reactor, on whose loop no other may be started.  Only tests that ask for the
reactor (``pytest_twisted.ensureDeferred``, ``pytest_twisted.inlineCallbacks``) need that.  The reactor's greenlet
stands still in the middle of its loop between them, which asyncio takes for running: the mark of it is put away.
"""

import asyncio
from collections.abc import Generator

import pytest

_reactors_loop: asyncio.AbstractEventLoop | None = None


def _asks_for_the_reactor(item: pytest.Function) -> bool:
    return hasattr(item.obj, "_pytest_twisted_mark")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if _asks_for_the_reactor(pyfuncitem):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    global _reactors_loop
    if not isinstance(item, pytest.Function) or not _asks_for_the_reactor(item):
        return (yield)
    asyncio._set_running_loop(_reactors_loop)
    try:
        return (yield)
    finally:
        _reactors_loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
