"""Hints between the processes of one SQLite file: UNIX datagrams, one socket for each process that listens.

The sockets stand in ``NAME-hints`` beside the file, 0700.  A socket that nobody reads any more is removed by the
next who writes to it.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from opostd.model.records import BoxHint
from opostd.store.notify import SENDER_OCTETS, Told, coalesced, packed, unpacked

MOST_HINTS = 500  # in a datagram: 12 KB, below every kernel's limit
LONGEST_PATH = 100  # octets in a socket's address: 108 with the final NUL on Linux, 104 elsewhere


class DatagramBus:
    """path: of the SQLite file; None is a database in memory, which has no other process."""

    def __init__(self, path: str | None) -> None:
        self._folder = Path(f"{path}-hints") if path else None
        self._own = secrets.token_bytes(SENDER_OCTETS)
        self._name = f"{os.getpid()}-{self._own.hex()}"
        self._sender: socket.socket | None = None
        self._receiver: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self, loop: asyncio.AbstractEventLoop, told: Told) -> None:
        if self._folder is None:
            return
        self._unbind()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        with _short(self._folder) as address:
            receiver.bind(address(self._name))
        self._receiver, self._loop = receiver, loop
        loop.add_reader(receiver, self._read, receiver, told)

    def _read(self, receiver: socket.socket, told: Told) -> None:
        hints: list[BoxHint] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):  # then others have their turn on the loop
                hints += unpacked(receiver.recv(65536), self._own)
        if hints:
            told(coalesced(hints, MOST_HINTS))

    def publish(self, hints: Sequence[BoxHint]) -> None:
        if self._folder is None:
            return
        try:
            names = [name for name in os.listdir(self._folder) if name != self._name]
        except FileNotFoundError:  # nobody has ever listened
            return
        if not names:
            return
        message = packed(self._own, coalesced(hints, MOST_HINTS))
        if self._sender is None:
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        with _short(self._folder) as address:
            for name in names:
                self._send(message, address(name), self._folder / name)

    def _send(self, message: bytes, address: str, path: Path) -> None:
        assert self._sender is not None
        try:
            self._sender.sendto(message, address)
        except ConnectionRefusedError:  # its process is gone
            with contextlib.suppress(OSError):
                path.unlink()
        except OSError:
            return  # full, or gone this moment: its poll finds the change

    async def stop(self) -> None:
        self._unbind()

    def close(self) -> None:
        self._unbind()
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()

    def _unbind(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(receiver)
        receiver.close()
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[Callable[[str], str]]:
    """From a name in the folder to an address that fits; through ``/proc`` where the path is too long."""
    if len(os.fsencode(folder)) + 1 + 40 <= LONGEST_PATH:
        yield lambda name: str(folder / name)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield lambda name: f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
