"""``GET /metrics``: what Prometheus asks for, of this process and of the store behind it.

Imported only where the door is wanted.  What must stay true: no user, address or mailbox is in a label; a database that
does not answer is told as such, and all else of the process with it; however often somebody asks, the store is asked
once in ASK_S.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from opostd import __version__
from opostd.http.door import HttpDoor
from opostd.http.front import Front, Receive, Scope, Send
from opostd.imap.server import ImapDoor
from opostd.imap.state.machine import State
from opostd.model.counts import BOUNDS_S, Counts, Times
from opostd.model.errors import OpostError
from opostd.smtp.door import SmtpDoor
from opostd.store import depths, lag
from opostd.store.run import Store

log = logging.getLogger("opostd.metrics")

ASK_S = 10.0
PATIENCE_S = 5.0  # for the store: Prometheus itself waits ten seconds
BEAT_S = 0.5
DAY_S = 24 * 3600
STATES = (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the store says.  depths: by queue; lag_*: the most of any source."""

    depths: dict[str, depths.Depth]
    lag_posts: int
    lag_boxes: int
    lag_oldest: int


class Metrics:
    """``door`` has a connection for each listener; ``start`` and ``close`` are of the heart-beat."""

    def __init__(
        self,
        counts: Counts,
        store: Store,
        active_days: int,
        smtp: Iterable[SmtpDoor],
        imap: ImapDoor | None,
        now: Callable[[], int],
    ) -> None:
        """active_days: for whom the agent carries.  now: seconds since 1970."""
        self._imap = imap
        self._counts = counts
        self._store = store
        self._active_s = active_days * DAY_S
        self._smtp = smtp
        self._now = now
        self._asked: Asked | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._late = 0.0  # the most that the heart-beat was late since somebody asked
        self._beat: asyncio.Task[None] | None = None
        self.door = HttpDoor(Front(lambda path: self._answer, (), _fault, _refuse))

    def start(self) -> None:
        self._beat = asyncio.get_running_loop().create_task(self._beating())

    async def close(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        await self.door.shutdown()

    async def _beating(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self._late = max(self._late, loop.time() - due)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            await _say(send, 404, b"only /metrics is here\n")
        elif scope["method"] != "GET":
            await _say(send, 405, b"only GET\n", [(b"allow", b"GET, HEAD")])
        else:
            await self._ask()
            await _say(send, 200, self._text(), kind=CONTENT_TYPE_LATEST.encode())

    async def _ask(self) -> None:
        async with self._asking:
            loop = asyncio.get_running_loop()
            if loop.time() - self._asked_at < ASK_S:
                return
            self._asked_at, self._asked = loop.time(), None
            try:
                async with asyncio.timeout(PATIENCE_S):
                    found = await self._store.run(depths.of_posts)
                    found["subscription"] = await self._store.run(depths.set_aside)
                    behind = await self._store.run(lag.lag, self._now() - self._active_s)
            except (OpostError, TimeoutError) as error:
                log.warning("the store does not say what waits: %s", error or "no answer")
                return
            self._asked = Asked(
                found,
                max((each.posts for each in behind), default=0),
                sum(each.boxes for each in behind),
                min((each.oldest for each in behind), default=0),
            )

    def _text(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(_Found([*self._of_process(), *self._of_store()]))
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def _of_process(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("opostd_build_info", "Which version this is.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        late, self._late = self._late, 0.0
        what = "The most that the event loop was late since the last scrape."
        yield GaugeMetricFamily("opostd_event_loop_lag_seconds", what, late)

        messages = CounterMetricFamily(
            "opostd_smtp_messages_received", "Messages, by what was answered to them.", labels=["door", "result"]
        )
        for (door, result), count in sorted(self._counts.messages.items()):
            messages.add_metric([door, result], count)
        yield messages
        what = "From the end of data to the reply to it; what is accepted is committed then."
        yield _histogram("opostd_delivery_seconds", what, "door", self._counts.accepting.items())
        commands = ((name.decode("ascii"), times) for name, times in self._counts.commands.items())
        what = "From an IMAP command to its tagged line; not IDLE."
        yield _histogram("opostd_imap_command_seconds", what, "command", commands)
        failed = CounterMetricFamily("opostd_auth_failures", "Logins with a wrong name or password.", labels=["proto"])
        for proto in ("imap", "smtp", "http"):
            failed.add_metric([proto], self._counts.failed_logins[proto])
        yield failed

        connected = GaugeMetricFamily("opostd_smtp_connections", "SMTP and LMTP clients.", labels=["door"])
        for each in self._smtp:
            connected.add_metric([each.kind.value], len(each.sessions))
        yield connected
        states = GaugeMetricFamily("opostd_imap_connections", "IMAP clients.", labels=["state"])
        found: Counter[State] = Counter(self._imap.states() if self._imap is not None else ())
        for state in STATES:
            states.add_metric([str(state.name).lower()], found[state])
        yield states

    def _of_store(self) -> Iterator[Metric]:
        asked = self._asked
        up = "Whether the store has answered this scrape, or the one within ten seconds before."
        yield GaugeMetricFamily("opostd_store_up", up, asked is not None)
        if asked is None:
            return
        messages = GaugeMetricFamily(
            "opostd_queue_messages", "What waits, for each of its targets.", labels=["queue", "state"]
        )
        oldest = GaugeMetricFamily(
            "opostd_queue_oldest_seconds", "How long the first that is not held has waited.", labels=["queue"]
        )
        for queue, depth in asked.depths.items():
            messages.add_metric([queue, "waiting"], depth.waiting)
            messages.add_metric([queue, "held"], depth.held)
            oldest.add_metric([queue], self._since(depth.oldest))
        yield messages
        yield oldest
        what = "The most posts of one source that a box still waits for, of all who look at their mail these days."
        yield GaugeMetricFamily("opostd_subscription_lag_posts", what, asked.lag_posts)
        what = "Boxes that wait for posts of a source."
        yield GaugeMetricFamily("opostd_subscription_lag_boxes", what, asked.lag_boxes)
        what = "How long the first of these posts has waited."
        yield GaugeMetricFamily("opostd_subscription_lag_seconds", what, self._since(asked.lag_oldest))

    def _since(self, when: int) -> int:
        return max(self._now() - when, 0) if when else 0


class _Found(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _histogram(name: str, what: str, label: str, found: Iterable[tuple[str, Times]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, what, labels=[label])
    for value, times in sorted(found, key=lambda each: each[0]):
        so_far, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), times.counts, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        family.add_metric([value], buckets, times.total)
    return family


async def _say(
    send: Send, status: int, body: bytes, more: Iterable[tuple[bytes, bytes]] = (), *, kind: bytes = b"text/plain"
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _fault(scope: Scope, receive: Receive, send: Send) -> None:
    await _say(send, 500, f"incident {scope['incident']}\n".encode())


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    status, why = scope["refused"]
    await _say(send, status, f"{why}\n".encode(), [(b"connection", b"close")])
