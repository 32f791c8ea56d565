"""What the settings of one file must be to each other and to this machine; files are tested for being readable only."""

import os
import pwd
import re
import stat
from ipaddress import ip_network
from pathlib import Path

from opostd.config import oauth
from opostd.config.listen import UNIX, is_address, is_loopback, split_listen, unix_path
from opostd.config.problems import Problems, shown
from opostd.config.settings import Settings

LISTENERS = (
    ("imap", "listen"),
    ("imap", "listen_tls"),
    ("submission", "listen"),
    ("submission", "listen_tls"),
    ("smtp", "listen"),
    ("lmtp", "listen"),
    ("http", "listen"),
    ("http", "listen_tls"),
    ("metrics", "listen"),
)
_DOMAIN = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*")
_URL = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", re.ASCII)  # it stands in headers
MAX_UNIX_OCTETS = 107  # of a path: sun_path of unix(7) has 108, the last of them NUL
_MODE = re.compile(r"0?[0-7]{3}")


def check(settings: Settings, problems: Problems) -> None:
    """Everything."""
    _check_names(settings, problems)
    _check_store(settings, problems)
    _check_listeners(settings, problems)
    _check_http(settings, problems)
    _check_tls(settings, problems)
    _check_relay(settings, problems)
    _check_oauth(settings, problems)
    _check_servers("checks", settings.checks.dns_servers, problems)
    _check_filter(settings, problems)


def _check_names(settings: Settings, problems: Problems) -> None:
    for path, names in ((("hostname",), (settings.hostname,)), (("domains",), settings.domains)):
        for name in names:
            if not _DOMAIN.fullmatch(name) or len(name) > 253:  # RFC 1035 2.3.4
                problems.add(path, f"{shown(name)} is no host name; expected one such as mail.example.org")
    if not settings.domains:
        problems.add(("domains",), 'expected at least one domain, such as ["example.org"]')
    for domain in {each for each in settings.domains if settings.domains.count(each) > 1}:
        problems.add(("domains",), f"{shown(domain)} is given twice")


def _check_store(settings: Settings, problems: Problems) -> None:
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


def _check_listeners(settings: Settings, problems: Problems) -> None:
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
        mode = shown(settings.lmtp.socket_mode)
        problems.add(("lmtp", "socket_mode"), f'expected the mode of a file in octal such as "0660", got {mode}')
    for room, field in (
        ("smtp", "proxy_from"),
        ("smtp", "local_senders_from"),
        ("http", "proxy_from"),
        ("greylist", "exempt"),
        ("limits", "many_connections_from"),
    ):
        for each in getattr(getattr(settings, room), field):
            try:
                ip_network(each)
            except ValueError as error:
                problems.add(
                    (room, field),
                    f'expected an address or network such as "10.0.0.0/24", got {shown(each)}: {error}',
                )
    if not 0 < settings.greylist.pause_s < settings.greylist.window_s:
        problems.add(("greylist", "window_s"), "expected more than pause_s, or nobody could come again in time")
    logins = [*settings.imap.listen, *settings.submission.listen, *settings.http.listen]
    places = [place for place in map(split_listen, logins) if place]
    if settings.auth.plaintext_on_loopback and places and not any(is_loopback(host) for host, _ in places):
        problems.add(
            ("auth", "plaintext_on_loopback"),
            "no listener is on loopback (127.0.0.1 or ::1), so that nobody could ever use it; remove it",
        )


def _check_http(settings: Settings, problems: Problems) -> None:
    url = settings.http.url
    if url and not _URL.fullmatch(url):
        problems.add(("http", "url"), f'expected "https://host" such as "https://mail.example.org", got {shown(url)}')


def _unusable(path: Path, room: str) -> str:
    """Why there cannot be a socket of that path; nothing where there can."""
    if room != "lmtp":
        return 'a UNIX socket is for lmtp.listen only; here "host:port" is expected'
    if path.name == "":
        return f'expected a path such as "{UNIX}/run/opostd/lmtp"'
    if len(os.fsencode(path)) > MAX_UNIX_OCTETS:
        return f"the path is over {MAX_UNIX_OCTETS} octets, which the system does not take"
    return "" if path.parent.is_dir() else f"the folder {path.parent} is not there"


def _check_tls(settings: Settings, problems: Problems) -> None:
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


def _check_filter(settings: Settings, problems: Problems) -> None:
    for each in settings.filter.milters:
        place = split_listen(each)
        if (unix_path(each) or Path()) == Path() and (place is None or not place[1] or place[0] == "*"):
            problems.add(
                ("filter", "milters"),
                f'expected "unix:/path" or "host:port" such as "127.0.0.1:11332", got {shown(each)}',
            )
    for each in settings.filter.doors:
        if each not in ("smtp", "submission", "lmtp"):
            problems.add(("filter", "doors"), f'expected "smtp", "submission", "lmtp", got {shown(each)}')


def _check_servers(room: str, servers: tuple[str, ...], problems: Problems) -> None:
    for each in servers:
        server = split_listen(each)
        if server is None or not server[1] or not is_address(server[0]):
            problems.add((room, "dns_servers"), f'expected "address:port" such as "127.0.0.1:53", got {shown(each)}')


def _check_relay(settings: Settings, problems: Problems) -> None:
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


def _check_oauth(settings: Settings, problems: Problems) -> None:
    for field, message in oauth.problems(settings.oauth):
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
