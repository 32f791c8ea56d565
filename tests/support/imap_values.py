"""A client of one line and one purpose: what a server answers to FETCH, as values that two servers can be compared by.

Literals and quoted strings of the same octets are the same value; a number stays a number, NIL is None.
"""

import re
import socket
from collections.abc import Iterable

Value = bytes | int | None | list["Value"]

_ATOM = re.compile(rb"[^\s()\"{]+")
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
PATIENCE_S = 60.0


class Refused(Exception):
    """A tagged NO or BAD; the text is its line."""


def values(octets: bytes, at: int = 0) -> list[Value]:
    """The values of a response: lists, numbers, NIL, strings and atoms (the brackets of BODY[...] kept in one)."""
    stack: list[list[Value]] = [[]]
    while at < len(octets):
        if octets[at] in b" \r\n":
            at += 1
        elif octets[at] in b"(":
            stack.append([])
            at += 1
        elif octets[at] in b")":
            whole = stack.pop()
            stack[-1].append(whole)
            at += 1
        elif match := _LITERAL.match(octets, at):
            stack[-1].append(octets[match.end() : match.end() + int(match[1])])
            at = match.end() + int(match[1])
        elif match := _QUOTED.match(octets, at):
            stack[-1].append(re.sub(rb"(?s)\\(.)", rb"\1", match[1]))
            at = match.end()
        else:
            at, atom = _atom(octets, at)
            stack[-1].append(None if atom.upper() == b"NIL" else int(atom) if atom.isdigit() else atom)
    assert len(stack) == 1, octets[:200]
    return stack[0]


def _atom(octets: bytes, at: int) -> tuple[int, bytes]:
    match = _ATOM.match(octets, at)
    assert match, octets[at : at + 40]
    if b"[" not in match[0] or b"]" in match[0]:
        return match.end(), match[0]
    end = octets.index(b"]", match.end()) + 1  # BODY[HEADER.FIELDS (From)]<0>
    while end < len(octets) and octets[end] not in b" \r\n()":
        end += 1
    return end, octets[at:end]


class Gone(Exception):
    """The server has closed the connection in the middle of an answer."""


class Client:
    """One connection, logged in, one command at a time; made anew when the server has gone."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._port, self._user, self._password = port, user, password
        self._box = ""
        self._tags = 0
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        self._file.readline()
        self.command(f'LOGIN "{self._user}" "{self._password}"')

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def select(self, box: str) -> None:
        self._box = box
        self.command(f"SELECT {box}")

    def command(self, text: str, literal: bytes | None = None) -> list[bytes]:
        """The untagged responses, literals in them.  Raises Refused."""
        self._tags += 1
        tag = f"a{self._tags}".encode()
        size = b"" if literal is None else b" {%d}" % len(literal)
        self._socket.sendall(tag + b" " + text.encode() + size + b"\r\n")
        untagged = []
        while True:
            line = self._response()
            if line.startswith(b"+"):
                self._socket.sendall((literal or b"") + b"\r\n")
            elif line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise Refused(line.decode("utf-8", "replace"))
                return untagged
            else:
                untagged.append(line)

    def _response(self) -> bytes:
        whole = b""
        while True:
            line = self._file.readline()
            if not line:
                raise Gone
            whole += line
            match = re.search(rb"\{(\d+)\}\r\n\Z", line)
            if match is None:
                return whole
            whole += self._file.read(int(match[1]))

    def append(self, box: str, message: bytes) -> None:
        self.command(f"APPEND {box}", message)

    def fetch(self, number: int, items: Iterable[str]) -> dict[str, Value]:
        """The value of each item; where the server refuses it, NO or BAD; where it goes away, that."""
        asked = list(items)
        try:
            return self._fetch(number, asked)
        except Refused as refused:
            if len(asked) == 1:
                return {asked[0]: [b"refused", refused.args[0].split()[1].encode()]}
        except Gone:
            self.close()
            self._connect()
            self.select(self._box)
            if len(asked) == 1:
                return {asked[0]: [b"the server goes away"]}
        half = len(asked) // 2
        return self.fetch(number, asked[:half]) | self.fetch(number, asked[half:])

    def _fetch(self, number: int, asked: list[str]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for response in self.command(f"FETCH {number} ({' '.join(asked)})"):
            read = values(response)
            if read[1:3] == [number, b"FETCH"] and isinstance(read[3], list):
                names = [_name(each) for each in read[3][::2]]
                found |= dict(zip(names, read[3][1::2], strict=True))
        return {item: found.get(_answered(item), [b"not answered"]) for item in asked}


def _name(value: Value) -> str:
    assert isinstance(value, bytes)
    return _plain(value.decode())


def _answered(item: str) -> str:
    """The name under which an item is answered: without PEEK, and a partial one without its length."""
    return _plain(re.sub(r"<(\d+)\.\d+>", r"<\1>", item.replace(".PEEK", "")))


def _plain(name: str) -> str:
    return name.upper().replace('"', "")
