"""``opostd serve``: one process, one uvloop, every door on it; from the settings to the exit status.

The reactor of Twisted is installed on our loop before anything else of Twisted is imported; the loop then carries
asyncio's doors and Twisted's alike.  The order is the promise: sockets bound, schema right, store and intake open,
doors listening, ``READY=1``; and backwards at the end, within ``STOP_S``.
"""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

import uvloop

from opostd.config import Settings
from opostd.daemon import logs
from opostd.daemon.failure import EX_SOFTWARE, StartFailed
from opostd.daemon.notify import Notifier
from opostd.daemon.signals import StopSignal
from opostd.model.errors import BadSettings

if TYPE_CHECKING:  # at run time only after the reactor is installed
    from opostd.daemon.server import Server

log = logging.getLogger("opostd.daemon")

DESCRIPTORS = 65536  # as systemd/opostd.service has it
STOP_S = 10.0  # security.md 2: SIGTERM under load


def serve(settings: Settings, *, config: str | None, environ: MutableMapping[str, str] | None = None) -> int:
    """Serve until a signal comes; the exit status.  config: the file of the settings; None is the demo."""
    environ = os.environ if environ is None else environ
    os.umask(0o077)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold mail and passwords
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each connection takes one; a shell gives 1024
    notifier = Notifier(environ)
    journal = notifier.present or "JOURNAL_STREAM" in environ
    logs.start(journal=journal)

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    from twisted.internet import asyncioreactor

    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    from twisted.internet import reactor

    logs.bridge_twisted()
    run = _Run(settings, config, quiet=journal, notifier=notifier, environ=environ)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            run.failed(task.exception())
        reactor.stop()

    reactor.callWhenRunning(lambda: loop.create_task(run.main(loop)).add_done_callback(ended))
    reactor.run(installSignalHandlers=False)  # type: ignore[call-arg]  # the interface does not name it
    notifier.close()
    sys.stdout.flush()
    if run.stuck:  # a thread still waits for the database: nothing of it was answered, so nothing is lost
        os._exit(run.status)
    loop.close()
    return run.status


class _Run:
    """The life of one server process."""

    def __init__(
        self,
        settings: Settings,
        config: str | None,
        *,
        quiet: bool,
        notifier: Notifier,
        environ: MutableMapping[str, str],
    ) -> None:
        self.status = 0
        self.stuck = False
        self._settings = settings
        self._config = config
        self._quiet = quiet
        self._notifier = notifier
        self._environ = environ

    async def main(self, loop: asyncio.AbstractEventLoop) -> None:
        from opostd.daemon.server import Server

        stop = StopSignal(loop)
        server = Server(self._settings, self._config)
        starting = loop.create_task(server.start(self._environ))
        asked = loop.create_task(stop.wait())
        try:
            await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            else:
                starting.result()
                self._ready(server, loop)
                await asked
        finally:
            asked.cancel()
            await self._stop(server, loop)
            stop.close()

    def _ready(self, server: "Server", loop: asyncio.AbstractEventLoop) -> None:
        gc.collect()
        gc.freeze()  # what is there now stays for ever: the collector need not look at it again
        gc.set_threshold(50_000, 20, 20)  # a list of 10,000 rows is made without stopping for it several times
        if self._quiet:
            for line in server.listener_lines():
                log.info("%s", line)
        else:
            print(server.banner(), flush=True)
        self._notifier.tell("READY=1", f"STATUS={server.status_line()}")
        self._notifier.start_watchdog(loop)

    async def _stop(self, server: "Server", loop: asyncio.AbstractEventLoop) -> None:
        self._notifier.tell("STOPPING=1", "STATUS=stopping")
        begun = loop.time()
        try:
            async with asyncio.timeout(STOP_S):
                told, queue = await server.stop()
        except TimeoutError:
            self.stuck = True
            self.status = self.status or EX_SOFTWARE
            log.error("not stopped within %.0f s; ended as it is, what was answered is kept", STOP_S)
            return
        if server.was_ready:
            clients = "1 client" if told == 1 else f"{told} clients"
            line = f"stopping: {clients} told, {queue}, store closed ({loop.time() - begun:.1f} s)"
            log.info("%s", line) if self._quiet else print(line, flush=True)

    def failed(self, error: BaseException | None) -> None:
        """Say why the server did not start, or died."""
        if isinstance(error, StartFailed):
            self.status = error.status
            self._say(str(error))
        elif isinstance(error, BadSettings):
            self.status = 78
            for problem in error.problems:
                self._say(problem)
        else:
            self.status = EX_SOFTWARE
            log.critical("the server has failed", exc_info=error)

    def _say(self, text: str) -> None:
        if self._quiet:
            log.error("%s", text)
        else:
            print(f"opostd: {text}", file=sys.stderr, flush=True)
