"""A door: what all sessions of one kind share, and how they are ended together."""

import asyncio
import logging
import ssl
from collections.abc import Sequence

from opostd.auth.login import Authenticator
from opostd.auth.unknown import Unknown
from opostd.config import LimitSettings, Markdown
from opostd.intake.intake import Intake
from opostd.model.counts import Counts
from opostd.smtp import proxy
from opostd.smtp.connection import Connection
from opostd.smtp.examine import Examiner
from opostd.smtp.extensions import DoorKind
from opostd.smtp.greylist import Greylist
from opostd.smtp.hooks import Hooks
from opostd.smtp.server import SmtpSession
from opostd.smtp.session import Session
from opostd.smtp.standing import Standing
from opostd.smtp.timing import Pace, Timing
from opostd.store.run import Store

log = logging.getLogger("opostd.smtp")

LAST_WORDS_S = 0.5  # of the time to stop, kept for the replies to leave
LARGE_AT_ONCE = 4  # messages over 1 MiB in memory at one time


class SmtpDoor:
    """One kind of door: what all its sessions share.  ``factory`` makes a protocol for each connection."""

    def __init__(
        self,
        *,
        kind: DoorKind,
        hostname: str,
        intake: Intake,
        auth: Authenticator | None,
        limits: LimitSettings,
        markdown: Markdown,
        plaintext_on_loopback: bool,
        tls: ssl.SSLContext | None,
        timing: Timing | None = None,
        proxies: Sequence[proxy.Network] = (),
        forwarders: Sequence[proxy.Network] = (),
        demo: bool = False,
        examiner: Examiner | None = None,
        greylist: Greylist | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.kind = kind
        self.hostname = hostname
        self.auth = auth
        self.limits = limits
        self.plaintext_on_loopback = plaintext_on_loopback
        self.tls = tls
        self.timing = timing or Timing()
        self.proxies = proxies
        self.forwarders = forwarders
        self.counts = counts or Counts()
        self.hooks = Hooks(kind, intake, markdown, demo=demo, examiner=examiner or Examiner(), greylist=greylist)
        # Strong references: a session that waits for its commit is forgotten by its transport when the peer goes.
        self.sessions: set[Connection] = set()
        self._standing: Standing | None = None
        self.stopping = False
        self.pace = Pace(self.timing.unknown_per_s)
        self.large = asyncio.Semaphore(LARGE_AT_ONCE)
        # By LMTP one server brings everybody's mail; a balancer that tells no client stands for many, too.
        most = 0 if kind is DoorKind.LMTP else limits.max_connections_before_login
        self.unknown = Unknown(most, [*limits.many_connections_from, *proxies])

    def look_after(self, store: Store) -> None:
        """From now on sessions end whose account is closed.  store: started; its loop is ours."""
        self._standing = Standing(store, lambda: (each for each in self.sessions if isinstance(each, Session)))

    def factory(self, *, implicit_tls: bool) -> asyncio.Protocol:
        """The protocol of one new connection, for ``loop.create_server``.

        implicit_tls: the listener was made with the TLS context; the session sees it for itself at the connection.
        """
        if self.proxies and not implicit_tls:  # under TLS from the start there is no place for the header
            return proxy.Front(self.proxies, lambda source: SmtpSession(self, source))
        return SmtpSession(self)

    async def shutdown(self) -> None:
        """421 to every session, commits under way finished and answered first; returns within 5 s."""
        self.stopping = True
        if self._standing is not None:
            await self._standing.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timing.shutdown_s
        sessions = list(self.sessions)
        for session in sessions:
            session.stop()
        tasks = [session.task() for session in sessions]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self.timing.shutdown_s - LAST_WORDS_S)
        for task in late:
            task.cancel()
        if late:
            log.warning("cancelled sessions=%d", len(late))
            await asyncio.wait(late)
        # What has been said is still to leave; who does not read it does not hold the others up.
        await asyncio.wait([session.gone() for session in sessions], timeout=max(0.0, end - loop.time()))
        for session in sessions:
            session.abort()
