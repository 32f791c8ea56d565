"""Worker processes that render Markdown, or clean HTML, and are killed when a text takes too long (feasibility.md 7).

Each worker belongs to one thread of ours, which feeds it by a socket and ends it after a while without work, so that
an idle daemon has neither.  Nothing here belongs to an event loop: a pool serves any number of them, one after the
other or at once.  Workers are new programs, never forks: a fork of a process with threads may find a lock taken for
ever.

What must stay true: ``render`` always returns a document, and ``clean`` one or None, within about twice its time
limit and QUEUE_TIMES it in the queue; a worker is never waited for after it was killed, never left as a zombie, and
never outlives this process.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import opostd
from opostd.config import RenderSettings
from opostd.render.message import fallback
from opostd.render.worker import FAILED, HEAD, MAX_DOCUMENT_OCTETS, READY, RENDERED, REQUEST

log = logging.getLogger(__name__)

START_S = 20.0  # to load the libraries: 0.3 s on an idle machine, and no text's fault on a busy one
IDLE_S = 20.0  # a worker holds 30 MB, and a new one is ready in 0.3 s
REST_S = 5.0  # after a start that failed: no storm of processes when there is no memory for one
QUEUE_TIMES = 5  # time limits a text may wait for a worker: bombs of one author must not hold up the mail of all others

# The parent's own way to the package, whatever set it; -I and -S keep site, user site and environment out, and save
# 20 ms.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from opostd.render.worker import main; main(int(sys.argv[1]), float(sys.argv[2]))"
)
_ENVIRON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")  # no secret is among what a worker sees


class _Died(Exception):
    """The worker ended, or speaks nonsense."""


@dataclass(slots=True)
class _Job:
    source: str
    until: float
    """Of time.monotonic(): not begun by then, it is shown as written."""
    clean: bool = False
    done: "Future[str | None]" = field(default_factory=Future)


class _Worker:
    """One process.  Used by one thread; only ``kill`` may come from another."""

    def __init__(self, settings: RenderSettings) -> None:
        """Raises OSError when no process can be had."""
        self._timeout_s = settings.timeout_s
        ours, theirs = socket.socketpair()
        self._socket = ours
        path = [str(Path(opostd.__file__).parents[1]), *sys.path]
        arguments = (str(settings.memory_octets), str(settings.timeout_s), *path)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program; the text goes by the socket
                [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, *arguments],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRON if name in os.environ},
                cwd="/", start_new_session=True,
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Raises _Died, or TimeoutError after START_S."""
        if self._read(1, time.monotonic() + START_S) != READY:
            raise _Died

    def render(self, source: bytes, *, clean: bool) -> str | None:
        """The document; None when the source cannot be rendered.  Raises _Died or TimeoutError; then kill it.

        clean: the source is HTML, else Markdown.
        """
        deadline = time.monotonic() + self._timeout_s
        self._socket.settimeout(self._timeout_s)
        try:
            self._socket.sendall(REQUEST.pack(clean, len(source)) + source)
        except (BrokenPipeError, ConnectionResetError):
            raise _Died from None
        answer = self._read(1, deadline)
        if answer == FAILED:
            return None
        if answer != RENDERED:
            raise _Died
        (octets,) = HEAD.unpack(self._read(HEAD.size, deadline))
        if octets > MAX_DOCUMENT_OCTETS:
            raise _Died
        return self._read(octets, deadline).decode()

    def _read(self, octets: int, deadline: float) -> bytes:
        got = bytearray()
        while len(got) < octets:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                piece = self._socket.recv(min(octets - len(got), 65536))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise _Died
            got += piece
        return bytes(got)

    def kill(self) -> None:
        """End it now; its thread, in the middle of a text, sees the end of the socket."""
        self._process.kill()

    def close(self) -> int:
        """Kill it if it is still there, and reap it.  The exit status."""
        self._process.kill()
        self._socket.close()
        return self._process.wait()


class RenderPool:
    """At most ``settings.workers`` workers, started when there is work and ended when there has been none."""

    def __init__(self, settings: RenderSettings, *, idle_s: float = IDLE_S) -> None:
        """idle_s: seconds without work after which a worker ends."""
        self._settings = settings
        self._idle_s = idle_s
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._workers: set[_Worker] = set()
        self._idle = 0
        self._no_start_before = 0.0  # of time.monotonic()
        self._closed = False

    async def render(self, source: str) -> str:
        """The whole HTML document of a Markdown text; never fails.

        Over ``max_source_octets``, over the time or the memory, or after ``close`` it is the source as written, in
        <pre>.
        """
        job = self._submit(source)
        document = None if job is None else await asyncio.wrap_future(job.done)
        return fallback(source) if document is None else document

    async def clean(self, html: str) -> str | None:
        """The HTML of a stranger as a document with nothing harmful in it; None where ``render`` would give up."""
        job = self._submit(html, clean=True)
        return None if job is None else await asyncio.wrap_future(job.done)

    def _submit(self, source: str, *, clean: bool = False) -> _Job | None:
        if len(source) > self._settings.max_source_octets:  # quick, before the octets of a huge one are counted
            return None
        if len(source.encode(errors="replace")) > self._settings.max_source_octets:
            return None
        job = _Job(source, time.monotonic() + QUEUE_TIMES * self._settings.timeout_s, clean)
        with self._changed:
            if self._closed:
                return None
            self._jobs.append(job)
            if self._idle < len(self._jobs) and len(self._threads) < self._settings.workers:
                thread = threading.Thread(target=self._serve, name="render", daemon=True)
                try:
                    thread.start()
                    self._threads.add(thread)
                except RuntimeError:  # the system has no thread left for us
                    log.exception("no thread to render in")
            if not self._threads:
                self._jobs.remove(job)
                return None
            self._changed.notify()
        return job

    def close(self) -> None:
        """Kill all workers; texts under way or waiting are returned as written.  Blocks for some milliseconds."""
        with self._changed:
            self._closed = True
            for worker in self._workers:
                worker.kill()
            threads = list(self._threads)
            self._changed.notify_all()
        for thread in threads:
            thread.join()

    @property
    def pids(self) -> tuple[int, ...]:
        """The workers' process ids, for logs and tests."""
        with self._changed:
            return tuple(worker.pid for worker in self._workers)

    # -- what a thread does ------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Jobs, one after the other, with one worker at a time, until there are none for a while."""
        worker: _Worker | None = None
        try:
            while (job := self._next()) is not None:
                if not job.done.set_running_or_notify_cancel():
                    continue
                document = None
                if time.monotonic() < job.until:
                    document, worker = self._work(job, worker)
                else:
                    log.warning("not rendered: %d characters waited too long for a worker", len(job.source))
                job.done.set_result(document)
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())
            self._end(worker)

    def _next(self) -> _Job | None:
        """The next job; None when this thread has to end, and is already taken off the list."""
        with self._changed:
            self._idle += 1
            try:
                if not self._changed.wait_for(lambda: self._jobs or self._closed, self._idle_s):
                    self._threads.discard(threading.current_thread())
                    return None
                return self._jobs.popleft() if self._jobs else None
            finally:
                self._idle -= 1

    def _work(self, job: _Job, worker: _Worker | None) -> tuple[str | None, _Worker | None]:
        """The document or None, and the worker that is still good.

        A worker that dies of itself gets one successor: somebody may have killed it, the text need not be at fault.
        """
        octets = job.source.encode(errors="replace")
        for _ in range(2):
            worker = worker or self._start()
            if worker is None:
                break
            try:
                return worker.render(octets, clean=job.clean), worker
            except TimeoutError:
                log.warning("not rendered: %d octets took over %s s", len(octets), self._settings.timeout_s)
                self._end(worker)
                break
            except (_Died, OSError, ValueError) as error:  # ValueError: an answer that is no UTF-8
                log.warning("a render worker ended: status %s, %r", self._end(worker), error)
                worker = None
        return None, None

    def _start(self) -> _Worker | None:
        """A worker that is ready; None when the pool is closed, or none can be had now."""
        with self._changed:
            if self._closed or time.monotonic() < self._no_start_before:
                return None
        worker = None
        try:
            worker = _Worker(self._settings)
            with self._changed:
                self._workers.add(worker)
                if self._closed:
                    worker.kill()
            worker.wait_ready()
        except (_Died, OSError) as error:  # TimeoutError is an OSError
            status = self._end(worker)
            if not self._closed:
                self._no_start_before = time.monotonic() + REST_S
                log.error("a render worker did not start: status %s, %r", status, error)
            return None
        return worker

    def _end(self, worker: _Worker | None) -> int | None:
        if worker is None:
            return None
        with self._changed:
            self._workers.discard(worker)
        return worker.close()
