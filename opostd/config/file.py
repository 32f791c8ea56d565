"""The configuration file -> ``Settings``, or every problem in it at once, each with its line and what would be right.

The dataclasses of ``settings`` are the only list of keys: names, types and defaults are read from them.  Nothing here
starts, opens or connects; files are only tested for being readable.
"""

import difflib
import math
import os
import pwd
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from opostd.config import check_oauth
from opostd.config.settings import (
    AuthSettings,
    ImapSettings,
    Settings,
    SmtpSettings,
    StoreSettings,
    SubmissionSettings,
    ZeroOr,
)
from opostd.config.toml_lines import key_lines
from opostd.model.errors import BadSettings

MAX_FILE_OCTETS = 1024 * 1024  # a configuration of a few KiB; more is the wrong file
LISTENERS = (
    ("imap", "listen"),
    ("imap", "listen_tls"),
    ("submission", "listen"),
    ("submission", "listen_tls"),
    ("smtp", "listen"),
    ("lmtp", "listen"),
    ("http", "listen"),
)
_DOMAIN = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*")
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+|\*)):([0-9]{1,5})", re.ASCII)

UNIX = "unix:"
MAX_UNIX_OCTETS = 107  # of a path: sun_path of unix(7) has 108, the last of them NUL
_MODE = re.compile(r"0?[0-7]{3}")

KeyPath = tuple[str, ...]
Room = TypeVar("Room")


class _Problems:
    """Problems of one file as they are found, told in the order of their lines."""

    def __init__(self, name: str, lines: Mapping[KeyPath, int]) -> None:
        self.name = name
        self.lines = lines
        self.found: list[tuple[int, str]] = []

    def add(self, path: KeyPath, message: str) -> None:
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 0)
        place = f"{self.name}:{line}" if line else self.name
        self.found.append((line, _printable(f"{place}: {'.'.join(path)}: {message}")))

    def check(self) -> None:
        if self.found:
            raise BadSettings(tuple(message for _, message in sorted(self.found, key=lambda each: each[0])))


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file, checked, with the data directory and the store's URL filled in.

    Relative paths in the file are below the file's folder.  Raises BadSettings with all that is wrong.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise BadSettings((f"{path}: cannot read the configuration: {error.strerror}",)) from error
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise BadSettings((f"{path}:{line}: not UTF-8",)) from error
    folder = path.absolute().parent
    return parse(text, str(path), folder=folder, environ=os.environ if environ is None else environ)


def parse(text: str, name: str, *, folder: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a TOML text; name: of the file, for the messages.  Raises BadSettings."""
    document, problems = _document(text, name)
    settings = _fill(Settings(), document, (), problems)
    settings = _normalise(settings, folder)
    _check_names(settings, problems)
    _check_store(settings, problems)
    _check_listeners(settings, problems)
    _check_tls(settings, problems)
    _check_relay(settings, problems)
    _check_oauth(settings, problems)
    _check_servers("checks", settings.checks.dns_servers, problems)
    _check_filter(settings, problems)
    problems.check()
    return _place(settings, environ)


def default_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """What an empty file means."""
    return _place(Settings(), os.environ if environ is None else environ)


def demo_settings(environ: Mapping[str, str] | None = None, *, port_offset: int = 0) -> Settings:
    """What is served when nothing is configured: this machine only, login without TLS, the domain `localhost`."""

    def on(port: int) -> tuple[str, ...]:
        return (f"127.0.0.1:{port + port_offset}",)

    demo = Settings(
        imap=ImapSettings(listen=on(1143), listen_tls=on(1993)),
        submission=SubmissionSettings(listen=on(1587), listen_tls=on(1465)),
        smtp=SmtpSettings(listen=on(1025)),
        auth=AuthSettings(plaintext_on_loopback=True),
    )
    return _place(demo, os.environ if environ is None else environ)


def shifted(settings: Settings, offset: int) -> Settings:
    """The settings with every port that is not chosen freely moved up by offset.  Raises BadSettings past 65535."""
    if not offset:
        return settings
    problems = []

    def move(room: str, field: str) -> tuple[str, ...]:
        moved = []
        for address in getattr(getattr(settings, room), field):
            if unix_path(address) is not None:
                moved.append(address)
                continue
            host, _, port = address.rpartition(":")
            number = int(port) + offset if int(port) else 0
            moved.append(f"{host}:{number}")
            if number > 65535:
                problems.append(f"--port-offset {offset}: {room}.{field} {address} would be over 65535")
        return tuple(moved)

    for room in dict.fromkeys(room for room, _ in LISTENERS):
        changed = {field: move(room, field) for each, field in LISTENERS if each == room}
        settings = replace(settings, **{room: replace(getattr(settings, room), **changed)})
    if problems:
        raise BadSettings(tuple(problems))
    return settings


def unix_path(text: str) -> Path | None:
    """The path of ``unix:/run/opostd/lmtp``; None where it is no such thing."""
    return Path(text.removeprefix(UNIX)) if text.startswith(UNIX) else None


def split_listen(text: str) -> tuple[str, int] | None:
    """Host and port of ``127.0.0.1:143``, ``[::1]:143``, ``name:143`` or ``*:143``; None where it is none of them."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        return None
    return match[1] or match[2], int(match[3])


def _document(text: str, name: str) -> tuple[dict[str, Any], _Problems]:
    if len(text) > MAX_FILE_OCTETS:
        raise BadSettings((f"{name}: over {MAX_FILE_OCTETS} octets: this is no configuration of opostd",))
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        line = where[1] if where and where[1] else str(text.rstrip("\n").count("\n") + 1)
        said = str(error)[: where.start()] if where else str(error)
        raise BadSettings((_printable(f"{name}:{line}: not TOML: {said}"),)) from error
    return document, _Problems(name, key_lines(text))


def _fill(defaults: Room, table: Mapping[str, Any], path: KeyPath, problems: _Problems) -> Room:
    """A copy of a settings dataclass with the keys of a table; what does not fit becomes a problem."""
    hints = get_type_hints(type(defaults))
    values: dict[str, Any] = {}
    for key, value in table.items():
        where = (*path, key)
        if key not in hints:
            problems.add(where, "unknown key." + _did_you_mean(key, hints))
        elif is_dataclass(hints[key]):
            if isinstance(value, dict):
                values[key] = _fill(getattr(defaults, key), value, where, problems)
            else:
                problems.add(where, f"expected a table such as [{key}], got {_shown(value)}")
        else:
            try:
                values[key] = _convert(value, hints[key])
            except ValueError as error:
                problems.add(where, f"expected {error}, got {_shown(value)}")
    filled: Room = replace(defaults, **values)  # type: ignore[type-var]  # Room is a dataclass, which cannot be said
    return filled


def _printable(text: str) -> str:
    """The text on one line: a key or a value may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _did_you_mean(key: str, known: Mapping[str, Any]) -> str:
    home = _home_of(key)
    if home:
        return f" It belongs into [{home}]."
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if not close:  # max_szie -> max_message_octets: the beginning counts more than the length
        close = [name for name in names if key[:4] == name[:4] and len(key) >= 4][:1]
    if close:
        return f" Did you mean {close[0]}?"
    return f" Known here: {', '.join(names)}."


def _home_of(key: str) -> str:
    """The one table that has this key; nothing where none or several have it."""
    rooms = {name: hint for name, hint in get_type_hints(Settings).items() if is_dataclass(hint)}
    homes = [name for name, hint in rooms.items() if key in get_type_hints(hint)]
    return homes[0] if len(homes) == 1 else ""


def _convert(value: Any, hint: Any) -> Any:
    """The value in the type of a setting.  Raises ValueError with what was expected."""
    if get_origin(hint) is Literal:
        if not isinstance(value, str) or value not in get_args(hint):
            raise ValueError("one of " + ", ".join(f'"{choice}"' for choice in get_args(hint)))
        return value
    if isinstance(hint, GenericAlias):  # tuple[str, ...] is the only one
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            example = f'["{value}"]' if isinstance(value, str) else '["0.0.0.0:143"]'
            raise ValueError(f"a list such as {example}")
        return tuple(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ValueError("true or false")
        return value
    if hint is ZeroOr:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2**53:
            raise ValueError("a whole number, or 0")
        return value
    if hint in (int, float):
        number = isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf or value > 2**53:
            raise ValueError("a whole number over 0" if hint is int else "a number over 0")
        return hint(value)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError('a text such as "…"')
    return hint(value)


def _shown(value: Any) -> str:
    """A value as TOML would write it, short and on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    text = repr(value)
    if isinstance(value, str):
        text = '"' + text[1:-1].replace('"', '\\"') + '"'
    return text if len(text) <= 80 else text[:79] + "…"


def _normalise(settings: Settings, folder: Path) -> Settings:
    """Names in lower case, paths absolute."""

    def below(path: str) -> str:
        return str(folder / Path(path).expanduser()) if path else ""

    def placed(address: str) -> str:
        path = unix_path(address)
        return address if path is None or path == Path() else UNIX + below(str(path))

    data = settings.data_directory
    return replace(
        settings,
        hostname=settings.hostname.lower().rstrip("."),
        domains=tuple(domain.lower().rstrip(".") for domain in settings.domains),
        data_directory=data if data == Path() else folder / data.expanduser(),
        lmtp=replace(settings.lmtp, listen=tuple(map(placed, settings.lmtp.listen))),
        tls=replace(settings.tls, certificate=below(settings.tls.certificate), key=below(settings.tls.key)),
        oauth=replace(
            settings.oauth,
            ca_file=below(settings.oauth.ca_file),
            client_secret_file=below(settings.oauth.client_secret_file),
        ),
        checks=replace(
            settings.checks,
            trusted_sealers=tuple(each.lower().rstrip(".") for each in settings.checks.trusted_sealers),
        ),
        filter=replace(settings.filter, milters=tuple(map(placed, settings.filter.milters))),
        dkim=replace(settings.dkim, keys_directory=below(settings.dkim.keys_directory)),
        agent=replace(settings.agent, archive=below(settings.agent.archive)),
        relay=replace(
            settings.relay, ca_file=below(settings.relay.ca_file), password_file=below(settings.relay.password_file)
        ),
    )


def _check_names(settings: Settings, problems: _Problems) -> None:
    for path, names in ((("hostname",), (settings.hostname,)), (("domains",), settings.domains)):
        for name in names:
            if not _DOMAIN.fullmatch(name) or len(name) > 253:  # RFC 1035 2.3.4
                problems.add(path, f"{_shown(name)} is no host name; expected one such as mail.example.org")
    if not settings.domains:
        problems.add(("domains",), 'expected at least one domain, such as ["example.org"]')
    for domain in {each for each in settings.domains if settings.domains.count(each) > 1}:
        problems.add(("domains",), f"{_shown(domain)} is given twice")


def _check_store(settings: Settings, problems: _Problems) -> None:
    for field in ("url", "directory_url", "owner_url", "post_url"):
        url: str = getattr(settings.store, field)
        scheme, separator, rest = url.partition("://")
        if not url:
            continue
        if scheme == "sqlite":
            if not rest.startswith("//") or rest.rstrip("/") == "" or "?" in rest:
                problems.add(("store", field), "expected sqlite:////absolute/path/opostd.db (four slashes)")
            elif not Path(rest[1:]).parent.is_dir():
                problems.add(("store", field), f"the folder {Path(rest[1:]).parent} is not there")
        elif scheme in ("postgresql", "postgres", "postgresql+psycopg2"):
            problems.add(("store", field), "expected the driver in the URL: postgresql+psycopg://user@host/database")
        elif scheme != "postgresql+psycopg" or not separator:
            problems.add(("store", field), "expected sqlite:////path/opostd.db or postgresql+psycopg://host/database")
    groups = {getattr(settings.store, field) for field in ("directory_url", "owner_url", "post_url")}
    if not settings.store.url and "" in groups and groups != {""}:
        problems.add(("store",), "directory_url, owner_url and post_url need each other, or url beside them")


def _check_listeners(settings: Settings, problems: _Problems) -> None:
    taken: dict[tuple[str, int] | Path, str] = {}
    for room, field in LISTENERS:
        for address in getattr(getattr(settings, room), field):
            path = unix_path(address)
            place = path or split_listen(address)
            if path is not None and (fault := _unusable(path, room)):
                problems.add((room, field), fault)
            elif place is None:
                problems.add(
                    (room, field), f'expected "host:port" such as "0.0.0.0:143" or "[::]:143", got "{address}"'
                )
            elif place in taken and (path or not address.endswith(":0")):
                problems.add((room, field), f"{address} is given twice, also in {taken[place]}")
            else:
                taken[place] = f"{room}.{field}"
    if not _MODE.fullmatch(settings.lmtp.socket_mode):
        shown = _shown(settings.lmtp.socket_mode)
        problems.add(("lmtp", "socket_mode"), f'expected the mode of a file in octal such as "0660", got {shown}')
    for field in ("proxy_from", "local_senders_from"):
        for each in getattr(settings.smtp, field):
            try:
                ip_network(each)
            except ValueError as error:
                problems.add(
                    ("smtp", field),
                    f'expected an address or network such as "10.0.0.0/24", got {_shown(each)}: {error}',
                )
    logins = [*settings.imap.listen, *settings.submission.listen]
    places = [place for place in map(split_listen, logins) if place]
    if settings.auth.plaintext_on_loopback and places and not any(is_loopback(host) for host, _ in places):
        problems.add(
            ("auth", "plaintext_on_loopback"),
            "no listener is on loopback (127.0.0.1 or ::1), so that nobody could ever use it; remove it",
        )


def _unusable(path: Path, room: str) -> str:
    """Why there cannot be a socket of that path; nothing where there can."""
    if room != "lmtp":
        return 'a UNIX socket is for lmtp.listen only; here "host:port" is expected'
    if path.name == "":
        return f'expected a path such as "{UNIX}/run/opostd/lmtp"'
    if len(os.fsencode(path)) > MAX_UNIX_OCTETS:
        return f"the path is over {MAX_UNIX_OCTETS} octets, which the system does not take"
    return "" if path.parent.is_dir() else f"the folder {path.parent} is not there"


def is_address(text: str) -> bool:
    """Whether it is an IP address, without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on this host."""
    return host.startswith("127.") or host in ("::1", "localhost")


def _check_tls(settings: Settings, problems: _Problems) -> None:
    given = {"certificate": settings.tls.certificate, "key": settings.tls.key}
    for field, other in (("certificate", "key"), ("key", "certificate")):
        if given[field] and not given[other]:
            problems.add(
                ("tls", field), f"given without tls.{other}; give both, or neither for a self-made certificate"
            )
        elif given[field]:
            fault = _unreadable(Path(given[field]))
            if fault:
                problems.add(("tls", field), fault)


def _check_filter(settings: Settings, problems: _Problems) -> None:
    for each in settings.filter.milters:
        place = split_listen(each)
        if (unix_path(each) or Path()) == Path() and (place is None or not place[1] or place[0] == "*"):
            problems.add(
                ("filter", "milters"),
                f'expected "unix:/path" or "host:port" such as "127.0.0.1:11332", got {_shown(each)}',
            )
    for each in settings.filter.doors:
        if each not in ("smtp", "submission", "lmtp"):
            problems.add(("filter", "doors"), f'expected "smtp", "submission", "lmtp", got {_shown(each)}')


def _check_servers(room: str, servers: tuple[str, ...], problems: _Problems) -> None:
    for each in servers:
        server = split_listen(each)
        if server is None or not server[1] or not is_address(server[0]):
            problems.add((room, "dns_servers"), f'expected "address:port" such as "127.0.0.1:53", got {_shown(each)}')


def _check_relay(settings: Settings, problems: _Problems) -> None:
    relay = settings.relay
    place = split_listen(relay.smarthost)
    if relay.via == "smarthost" and (place is None or not place[1] or place[0] == "*"):
        problems.add(("relay", "smarthost"), 'expected "host:port" such as "smtp.example.net:587"')
    if relay.smarthost and relay.via == "off":
        problems.add(("relay", "smarthost"), 'nothing leaves while relay.via is "off"; set it to "smarthost"')
    if relay.smarthost and relay.via == "mx":
        problems.add(("relay", "smarthost"), 'with relay.via = "mx" no server takes all; remove it')
    _check_servers("relay", relay.dns_servers, problems)
    if relay.dane and not relay.dns_servers:
        problems.add(("relay", "dane"), "needs dns_servers: resolvers that check DNSSEC, on a way that you trust")
    if relay.user and relay.via == "mx":
        problems.add(("relay", "user"), 'a login is for a smarthost; with relay.via = "mx" nobody is told one')
    if relay.implicit_tls and relay.tls in ("may", "off"):
        problems.add(("relay", "implicit_tls"), f'excludes relay.tls = "{relay.tls}"')
    for field, other in (("user", "password_file"), ("password_file", "user")):
        if getattr(relay, field) and not getattr(relay, other):
            problems.add(("relay", field), f"given without relay.{other}")
    if relay.user and relay.tls in ("may", "off") and place is not None and not is_loopback(place[0]):
        problems.add(("relay", "tls"), 'a password needs "verify" or "encrypt", but for a server on loopback')
    for field in ("ca_file", "password_file"):
        if getattr(relay, field) and (fault := _unreadable(Path(getattr(relay, field)))):
            problems.add(("relay", field), fault)


def _check_oauth(settings: Settings, problems: _Problems) -> None:
    for field, message in check_oauth.problems(settings.oauth):
        problems.add(("oauth", field), message)
    for field in ("ca_file", "client_secret_file"):
        if getattr(settings.oauth, field) and (fault := _unreadable(Path(getattr(settings.oauth, field)))):
            problems.add(("oauth", field), fault)


def _unreadable(path: Path) -> str:
    """Why this user cannot read a file, with who could; nothing if it can."""
    try:
        with path.open("rb"):
            return ""
    except PermissionError:
        user = _user_name(os.geteuid())
        try:
            facts = path.stat()
        except OSError:
            return f"cannot read {path} as user {user} (a folder above it is closed)"
        mode = stat.S_IMODE(facts.st_mode)
        return f"cannot read {path} as user {user} (owner {_user_name(facts.st_uid)}, mode {mode:04o})"
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _place(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Fill in where the data live: the folder of the SQLite file, systemd's state directory, or the user's."""
    store = settings.store
    data = settings.data_directory
    if data == Path():
        data = _data_directory(store, environ)
    if not store.url and not store.post_url:
        store = replace(store, url=f"sqlite:///{data / 'opostd.db'}")
    keys = settings.dkim.keys_directory or str(data / "dkim")
    return replace(settings, data_directory=data, store=store, dkim=replace(settings.dkim, keys_directory=keys))


def _data_directory(store: StoreSettings, environ: Mapping[str, str]) -> Path:
    url = store.url or store.owner_url
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).parent
    if environ.get("STATE_DIRECTORY"):  # systemd gives a list separated by colons; ours is the first
        return Path(environ["STATE_DIRECTORY"].split(":")[0])
    home = Path(environ.get("HOME") or Path.home())
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "opostd"
