"""The configuration file -> ``Settings``, or every problem in it at once, each with its line and what would be right.

The dataclasses of ``settings`` are the only list of keys: names, types and defaults are read from them.  Nothing here
starts, opens or connects; files are only tested for being readable.
"""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import GenericAlias
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from opostd.config.check import LISTENERS, check
from opostd.config.listen import UNIX, unix_path
from opostd.config.problems import KeyPath, Problems, printable, shown
from opostd.config.settings import (
    AuthSettings,
    HttpSettings,
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


Room = TypeVar("Room")


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
    check(settings, problems)
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
        http=HttpSettings(listen=on(1080)),
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


def _document(text: str, name: str) -> tuple[dict[str, Any], Problems]:
    if len(text) > MAX_FILE_OCTETS:
        raise BadSettings((f"{name}: over {MAX_FILE_OCTETS} octets: this is no configuration of opostd",))
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        line = where[1] if where and where[1] else str(text.rstrip("\n").count("\n") + 1)
        said = str(error)[: where.start()] if where else str(error)
        raise BadSettings((printable(f"{name}:{line}: not TOML: {said}"),)) from error
    return document, Problems(name, key_lines(text))


def _fill(defaults: Room, table: Mapping[str, Any], path: KeyPath, problems: Problems) -> Room:
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
                problems.add(where, f"expected a table such as [{key}], got {shown(value)}")
        else:
            try:
                values[key] = _convert(value, hints[key])
            except ValueError as error:
                problems.add(where, f"expected {error}, got {shown(value)}")
    filled: Room = replace(defaults, **values)  # type: ignore[type-var]  # Room is a dataclass, which cannot be said
    return filled


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
