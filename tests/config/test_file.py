"""The configuration file: its documented default, and one message for every mistake."""

import subprocess
import sys
import tempfile
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.config import Settings, default_settings, demo_settings, load, parse
from opostd.config.file import shifted
from opostd.config.listen import split_listen
from opostd.model.errors import BadSettings

DOCUMENTED = Path(__file__).parents[2] / "config" / "opostd.toml"
ENVIRON = {"HOME": "/home/anna"}


def problems(text: str, name: str = "x.toml") -> list[str]:
    with pytest.raises(BadSettings) as caught:
        parse(text, name, folder=Path("/etc/opostd"), environ=ENVIRON)
    return list(caught.value.problems)


def settings(text: str) -> Settings:
    return parse(text, "x.toml", folder=Path("/etc/opostd"), environ=ENVIRON)


def test_the_documented_default_is_the_default() -> None:
    assert load(DOCUMENTED, environ=ENVIRON) == default_settings(ENVIRON)


def test_what_the_page_on_tokens_shows_is_right(tmp_path: Path) -> None:
    page = (DOCUMENTED.parents[1] / "docs" / "tokens.md").read_text()
    examples = [each.split("```")[0] for each in page.split("```toml\n")[1:]]
    assert len(examples) == 2
    (tmp_path / "oauth").write_text("secret")
    for example in examples:
        assert settings(example.replace("/run/credentials/opostd.service", str(tmp_path))).oauth.enabled


def test_tokens_signed_and_asked_about() -> None:
    from opostd.auth.jwks import ALGORITHMS
    from opostd.config import oauth

    assert settings(SIGNED).oauth.enabled
    assert settings(
        ASKED.replace("https://id.example", "http://127.0.0.1:8080") + 'required_scope = "mail"'
    ).oauth.enabled
    assert settings(SIGNED.replace("https://id.example/keys", "http://[::1]/keys")).oauth.enabled
    assert not settings("").oauth.enabled
    assert set(oauth.ALGORITHMS) == ALGORITHMS


def test_the_documented_default_has_every_key() -> None:
    text = DOCUMENTED.read_text()
    for room in fields(Settings):
        value = getattr(Settings(), room.name)
        if not is_dataclass(value):
            assert f"\n{room.name} = " in text
            continue
        table = text.split(f"\n[{room.name}]\n")[1].split("\n[")[0]
        for field in fields(value):
            assert f"\n{field.name} = " in table, f"{room.name}.{field.name} is not documented"


SIGNED = '[oauth]\njwks_url = "https://id.example/keys"\nissuer = "https://id.example"\naudience = "mail"\n'
ASKED = '[oauth]\nintrospection_url = "https://id.example/about"\n'
A_URL = "expected a URL such as https://id.example.org/…, or http:// on loopback, got "
OTHERS = "a token that was made for another server must let nobody in"

MISTAKES = [
    (
        '[oauth]\nissuer = "x"',
        2,
        "oauth.issuer",
        "nobody logs in by a token without oauth.jwks_url or oauth.introspection_url",
    ),
    ('[oauth]\njwks_url = "https://x/"\naudience = "a"', 1, "oauth.issuer", f"needed with oauth.jwks_url: {OTHERS}"),
    ('[oauth]\njwks_url = "https://x/"\nissuer = "a"', 1, "oauth.audience", f"needed with oauth.jwks_url: {OTHERS}"),
    (ASKED, 1, "oauth.audience", "needed, or required_scope: a token for something else must let nobody in"),
    (
        SIGNED + 'introspection_url = "https://id.example/about"',
        5,
        "oauth.introspection_url",
        "excludes oauth.jwks_url: signed tokens are checked here, others are asked about",
    ),
    (
        SIGNED.replace("https://id.example/keys", "http://id.example/keys"),
        2,
        "oauth.jwks_url",
        A_URL + "'http://id.example/keys'",
    ),
    (SIGNED.replace("https://id.example/keys", "file:///keys"), 2, "oauth.jwks_url", A_URL + "'file:///keys'"),
    (SIGNED.replace("https://id.example/keys", "https://a:b@x/"), 2, "oauth.jwks_url", A_URL + "'https://a:b@x/'"),
    (SIGNED.replace("https://id.example/keys", "https://x:99999/"), 2, "oauth.jwks_url", A_URL + "'https://x:99999/'"),
    (
        SIGNED + 'algorithms = ["RS256", "HS256"]',
        5,
        "oauth.algorithms",
        "expected some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, got 'HS256'",
    ),
    (
        SIGNED + "algorithms = []",
        5,
        "oauth.algorithms",
        "expected some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
    ),
    (SIGNED + 'login_claim = ""', 5, "oauth.login_claim", 'expected the name of a claim such as "email"'),
    (SIGNED + 'ca_file = "/none"', 5, "oauth.ca_file", "cannot read /none: No such file or directory"),
    ('[relay]\nvia = "smarthost"', 1, "relay.smarthost", 'expected "host:port" such as "smtp.example.net:587"'),
    (
        '[relay]\nsmarthost = "a:25"',
        2,
        "relay.smarthost",
        'nothing leaves while relay.via is "off"; set it to "smarthost"',
    ),
    (
        '[relay]\nvia = "smarthost"\nsmarthost = "a:0"',
        3,
        "relay.smarthost",
        'expected "host:port" such as "smtp.example.net:587"',
    ),
    ('[relay]\nimplicit_tls = true\ntls = "may"', 2, "relay.implicit_tls", 'excludes relay.tls = "may"'),
    ('[relay]\nuser = "u"', 2, "relay.user", "given without relay.password_file"),
    ('[relay]\nca_file = "/none"', 2, "relay.ca_file", "cannot read /none: No such file or directory"),
    (
        '[relay]\nvia = "mx"\ndane = true',
        3,
        "relay.dane",
        "needs dns_servers: resolvers that check DNSSEC, on a way that you trust",
    ),
    (
        '[relay]\nvia = "mx"\nsmarthost = "a:25"',
        3,
        "relay.smarthost",
        'with relay.via = "mx" no server takes all; remove it',
    ),
    (
        '[relay]\ndns_servers = ["ns:53"]',
        2,
        "relay.dns_servers",
        'expected "address:port" such as "127.0.0.1:53", got "ns:53"',
    ),
    (
        '[checks]\ndns_servers = ["127.0.0.1"]',
        2,
        "checks.dns_servers",
        'expected "address:port" such as "127.0.0.1:53", got "127.0.0.1"',
    ),
    ('[checks]\nspf = "yes"', 2, "checks.spf", 'expected one of "off", "note", "enforce", got "yes"'),
    (
        '[filter]\nmilters = ["rspamd"]',
        2,
        "filter.milters",
        'expected "unix:/path" or "host:port" such as "127.0.0.1:11332", got "rspamd"',
    ),
    (
        '[filter]\nmilters = ["unix:"]',
        2,
        "filter.milters",
        'expected "unix:/path" or "host:port" such as "127.0.0.1:11332", got "unix:"',
    ),
    (
        '[filter]\ndoors = ["imap"]',
        2,
        "filter.doors",
        'expected "smtp", "submission", "lmtp", got "imap"',
    ),
    ("[queue]\ntries = 0", 2, "queue.tries", "expected a whole number over 0, got 0"),
    ("[smtp]\nlistn = []", 2, "smtp.listn", "unknown key. Did you mean listen?"),
    ("[smpt]\n", 1, "smpt", "unknown key. Did you mean smtp?"),
    ("\nmax_recipients = 5", 2, "max_recipients", "unknown key. It belongs into [limits]."),
    ("[lmtp]\ncolour = 1", 2, "lmtp.colour", "unknown key. Known here: listen, socket_mode."),
    ('[imap]\nlisten = "143"', 2, "imap.listen", 'expected a list such as ["143"], got "143"'),
    ("[imap]\nlisten = [143]", 2, "imap.listen", 'expected a list such as ["0.0.0.0:143"], got [143]'),
    (
        '[imap]\nlisten = ["143"]',
        2,
        "imap.listen",
        'expected "host:port" such as "0.0.0.0:143" or "[::]:143", got "143"',
    ),
    (
        '[imap]\nlisten = ["::1:143"]',
        2,
        "imap.listen",
        'expected "host:port" such as "0.0.0.0:143" or "[::]:143", got "::1:143"',
    ),
    (
        '[imap]\nlisten = ["a:70000"]',
        2,
        "imap.listen",
        'expected "host:port" such as "0.0.0.0:143" or "[::]:143", got "a:70000"',
    ),
    ('[imap]\nlisten = ["a:1"]\nlisten_tls = ["a:1"]', 3, "imap.listen_tls", "a:1 is given twice, also in imap.listen"),
    (
        '[imap]\nlisten = ["unix:/tmp/x"]',
        2,
        "imap.listen",
        'a UNIX socket is for lmtp.listen only; here "host:port" is expected',
    ),
    ('[lmtp]\nlisten = ["unix:"]', 2, "lmtp.listen", 'expected a path such as "unix:/run/opostd/lmtp"'),
    ('[lmtp]\nlisten = ["unix:/nowhere/x"]', 2, "lmtp.listen", "the folder /nowhere is not there"),
    (
        f'[lmtp]\nlisten = ["unix:/tmp/{"x" * 103}"]',
        2,
        "lmtp.listen",
        "the path is over 107 octets, which the system does not take",
    ),
    (
        '[lmtp]\nlisten = ["unix:/tmp/x", "unix:/tmp/x"]',
        2,
        "lmtp.listen",
        "unix:/tmp/x is given twice, also in lmtp.listen",
    ),
    (
        '[lmtp]\nsocket_mode = "rw"',
        2,
        "lmtp.socket_mode",
        'expected the mode of a file in octal such as "0660", got "rw"',
    ),
    (
        '[http]\nurl = "http://mail.example.org/"',
        2,
        "http.url",
        'expected "https://host" such as "https://mail.example.org", got "http://mail.example.org/"',
    ),
    (
        '[http]\nlisten_tls = ["443"]',
        2,
        "http.listen_tls",
        'expected "host:port" such as "0.0.0.0:143" or "[::]:143", got "443"',
    ),
    (
        '[smtp]\nproxy_from = ["10.0.0.1/8"]',
        2,
        "smtp.proxy_from",
        'expected an address or network such as "10.0.0.0/24", got "10.0.0.1/8": 10.0.0.1/8 has host bits set',
    ),
    ("imap = 3", 1, "imap", "expected a table such as [imap], got 3"),
    ("[imap]\nidle_timeout_s = true", 2, "imap.idle_timeout_s", "expected a number over 0, got true"),
    ("[imap]\nidle_timeout_s = nan", 2, "imap.idle_timeout_s", "expected a number over 0, got nan"),
    ("[imap]\nidle_timeout_s = -1", 2, "imap.idle_timeout_s", "expected a number over 0, got -1"),
    ("[quota]\nmessages = -1", 2, "quota.messages", "expected a whole number, or 0, got -1"),
    ("[quota]\nstorage_octets = 1.5", 2, "quota.storage_octets", "expected a whole number, or 0, got 1.5"),
    ("[quota]\nstorage_octets = true", 2, "quota.storage_octets", "expected a whole number, or 0, got true"),
    ("[limits]\nmax_recipients = 2.5", 2, "limits.max_recipients", "expected a whole number over 0, got 2.5"),
    ("[auth]\nplaintext_on_loopback = 1", 2, "auth.plaintext_on_loopback", "expected true or false, got 1"),
    ('[submission]\nmarkdown = "on"', 2, "submission.markdown", 'expected one of "plain", "marked", "off", got "on"'),
    ("hostname = 3", 1, "hostname", 'expected a text such as "…", got 3'),
    ('hostname = "a b"', 1, "hostname", '"a b" is no host name; expected one such as mail.example.org'),
    ("domains = []", 1, "domains", 'expected at least one domain, such as ["example.org"]'),
    ('domains = ["a.b", "A.b."]', 1, "domains", '"a.b" is given twice'),
    ('domains = ["-a.b"]', 1, "domains", '"-a.b" is no host name; expected one such as mail.example.org'),
    ('[store]\nurl = "sqlite:///x.db"', 2, "store.url", "expected sqlite:////absolute/path/opostd.db (four slashes)"),
    ('[store]\nurl = "sqlite://"', 2, "store.url", "expected sqlite:////absolute/path/opostd.db (four slashes)"),
    ('[store]\nurl = "sqlite:////no/where/x.db"', 2, "store.url", "the folder /no/where is not there"),
    (
        '[store]\nurl = "postgresql://h/d"',
        2,
        "store.url",
        "expected the driver in the URL: postgresql+psycopg://user@host/database",
    ),
    (
        '[store]\nurl = "mysql://h/d"',
        2,
        "store.url",
        "expected sqlite:////path/opostd.db or postgresql+psycopg://host/database",
    ),
    (
        '[store]\npost_url = "postgresql+psycopg:///a"',
        1,
        "store",
        "directory_url, owner_url and post_url need each other, or url beside them",
    ),
    (
        '[tls]\nkey = "/etc/passwd"',
        2,
        "tls.key",
        "given without tls.certificate; give both, or neither for a self-made certificate",
    ),
    (
        '[tls]\nkey = "no"\ncertificate = "/etc/passwd"',
        2,
        "tls.key",
        "cannot read /etc/opostd/no: No such file or directory",
    ),
    (
        '[imap]\nlisten = ["0.0.0.0:1"]\n[auth]\nplaintext_on_loopback = true',
        4,
        "auth.plaintext_on_loopback",
        ("no listener is on loopback (127.0.0.1 or ::1), so that nobody could ever use it; remove it"),
    ),
    ("a = ", 1, "not TOML", "Invalid value"),
    ("\n\na = 1\na = 2", 4, "not TOML", "Cannot overwrite a value"),
]


@pytest.mark.parametrize(("text", "line", "key", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_line(text: str, line: int, key: str, message: str) -> None:
    assert problems(text) == [f"x.toml:{line}: {key}: {message}"]


def test_all_mistakes_are_told_at_once_in_their_order() -> None:
    found = problems('[smtp]\nx = 1\n[imap]\nlisten = 3\n[auth]\ncache_s = "1"\n')
    assert [line.split(": ")[0] for line in found] == ["x.toml:2", "x.toml:4", "x.toml:6"]


def test_a_value_with_line_ends_stays_on_one_line() -> None:
    (found,) = problems('hostname = """a\nb\u2028\x1b[1m"""'.replace("\x1b", "\\u001b"))
    assert "\n" not in found
    assert "\x1b" not in found
    assert "\u2028" not in found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path / "no.toml")
    assert caught.value.problems == (f"{tmp_path}/no.toml: cannot read the configuration: No such file or directory",)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b'domains = ["a"]\nhostname = "\xff"\n')
    with pytest.raises(BadSettings) as caught:
        load(file)
    assert caught.value.problems == (f"{file}:2: not UTF-8",)


def test_an_unreadable_key_names_its_owner_and_mode() -> None:
    """Run as a user who may not read the file: root reads everything, so that root becomes nobody in a child."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to nobody
        folder = Path(name)
        folder.chmod(0o755)
        for file, mode in (("c.pem", 0o644), ("k.pem", 0o200), ("x.toml", 0o644)):
            (folder / file).write_text('[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n')
            (folder / file).chmod(mode)
        script = (
            "import os, sys; from pathlib import Path; from opostd.config import load\n"
            "from opostd.model.errors import BadSettings\n"
            "os.geteuid() == 0 and os.seteuid(65534)\n"
            "try: load(Path(sys.argv[1]))\n"
            "except BadSettings as error: print(error)\n"
        )
        arguments = [sys.executable, "-c", script, str(folder / "x.toml")]
        told = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
        assert told.startswith(f"{folder}/x.toml:3: tls.key: cannot read {folder}/k.pem as user ")
        assert told.endswith(f" (owner {(folder / 'k.pem').owner()}, mode 0200)\n")


def test_relative_paths_are_below_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("x")
    (tmp_path / "x.toml").write_text('data_directory = "data"\n[tls]\ncertificate = "c.pem"\nkey = "c.pem"\n')
    found = load(tmp_path / "x.toml", environ=ENVIRON)
    assert found.data_directory == tmp_path / "data"
    assert found.tls.key == str(tmp_path / "c.pem")
    assert found.store.url == f"sqlite:///{tmp_path}/data/opostd.db"


DATA = [
    ({"HOME": "/home/anna"}, "", "/home/anna/.local/share/opostd"),
    ({"HOME": "/home/anna", "XDG_DATA_HOME": "/x"}, "", "/x/opostd"),
    ({"HOME": "/", "STATE_DIRECTORY": "/var/lib/opostd:/var/lib/b"}, "", "/var/lib/opostd"),
    ({"HOME": "/", "STATE_DIRECTORY": "/var/lib/opostd"}, "sqlite:////tmp/o.db", "/tmp"),
    ({"HOME": "/h"}, "postgresql+psycopg://localhost/o", "/h/.local/share/opostd"),
]


@pytest.mark.parametrize(("environ", "url", "folder"), DATA)
def test_where_the_data_are(environ: dict[str, str], url: str, folder: str) -> None:
    text = f'[store]\nurl = "{url}"' if url else ""
    found = parse(text, "x", folder=Path("/etc"), environ=environ)
    assert found.data_directory == Path(folder)
    assert found.store.url == (url or f"sqlite:///{folder}/opostd.db")


LISTENERS = [
    ("127.0.0.1:143", ("127.0.0.1", 143)),
    ("[::1]:0", ("::1", 0)),
    ("mail.example.org:25", ("mail.example.org", 25)),
    ("*:65535", ("*", 65535)),
    ("127.0.0.1", None),
    ("127.0.0.1:", None),
    (":25", None),
    ("[::1:25", None),
    ("a:2_5", None),
    ("a:+25", None),
    ("a:٢٥", None),
    ("a:65536", None),
    ("a b:1", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "place"), LISTENERS)
def test_listen(text: str, place: tuple[str, int] | None) -> None:
    assert split_listen(text) == place


def test_the_demo_is_on_loopback_only_and_moves_as_a_whole() -> None:
    demo = demo_settings(ENVIRON, port_offset=2000)
    assert demo == shifted(demo_settings(ENVIRON), 2000)
    assert demo.imap.listen == ("127.0.0.1:3143",)
    assert demo.domains == ("localhost",)
    with pytest.raises(BadSettings, match="over 65535"):
        shifted(demo, 64000)


@given(st.text(max_size=60))
def test_any_text_gives_settings_or_problems(text: str) -> None:
    found: tuple[str, ...] = ("x.toml",)
    try:
        settings(text)
    except BadSettings as error:
        found = error.problems
    assert found
    assert all(line.startswith("x.toml") and line.isprintable() for line in found)
