"""The settings of every room, with their defaults.

A room is handed its own small dataclass, never the whole.  Units stand in the names.  The documented default is
``config/opostd.toml``: every key, its unit, its reason; a test finds the two equal.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType

from opostd.model.records import Quota

Via = Literal["off", "smarthost", "mx"]
RelayTls = Literal["verify", "encrypt", "may", "off"]
ZeroOr = NewType("ZeroOr", int)
"""A whole number; 0 stands for none of it."""
Markdown = Literal["plain", "marked", "off"]
Check = Literal["off", "note", "enforce"]
Language = Literal["en", "de", "es", "fr", "it", "nl"]
OnFault = Literal["tempfail", "accept"]


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the three groups of tables live (design.md 3).  An empty group URL means the same as ``url``."""

    url: str = ""
    directory_url: str = ""
    owner_url: str = ""
    post_url: str = ""
    pool_size: int = 10
    retry_deadline_s: float = 30.0
    hint_poll_s: float = 0.5


@dataclass(frozen=True, slots=True)
class ImapSettings:
    listen: tuple[str, ...] = ()
    listen_tls: tuple[str, ...] = ()
    idle_timeout_s: float = 30 * 60
    login_timeout_s: float = 60.0
    max_connections_per_user: int = 50
    share_with_anyone: bool = False


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    listen: tuple[str, ...] = ()
    listen_tls: tuple[str, ...] = ()
    markdown: Markdown = "plain"


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    listen: tuple[str, ...] = ()
    proxy_from: tuple[str, ...] = ()
    local_senders_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LmtpSettings:
    listen: tuple[str, ...] = ()
    socket_mode: str = "0660"


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The API and the web pages."""

    listen: tuple[str, ...] = ()
    listen_tls: tuple[str, ...] = ()
    proxy_from: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """What Prometheus asks for."""

    listen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsSettings:
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class AuthSettings:
    plaintext_on_loopback: bool = False
    cache_s: float = 60.0
    free_failures: int = 3
    max_delay_s: float = 15.0
    scram_iterations: ZeroOr = ZeroOr(65_536)


@dataclass(frozen=True, slots=True)
class OauthSettings:
    """Whose tokens let in (RFC 7628), and how they are checked: by keys (RFC 7517) or by a question (RFC 7662)."""

    issuer: str = ""
    jwks_url: str = ""
    introspection_url: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    audience: str = ""
    required_scope: str = ""
    login_claim: str = "email"
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    clock_skew_s: float = 60.0
    cache_s: float = 300.0
    timeout_s: float = 5.0
    ca_file: str = ""
    openid_configuration: str = ""

    @property
    def enabled(self) -> bool:
        return bool(self.jwks_url or self.introspection_url)


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Limits of a message and its transaction (security.md 1.2, 1.3), and of clients that have not logged in."""

    max_message_octets: int = 25 * 1024 * 1024
    max_recipients: int = 1000
    max_header_octets: int = 256 * 1024
    max_header_lines: int = 1000
    max_received: int = 100
    max_line_octets: int = 64 * 1024
    max_connections_before_login: ZeroOr = ZeroOr(50)
    many_connections_from: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """What is asked of mail that other servers bring, and whether the answer keeps it out."""

    spf: Check = "note"
    dkim: Check = "note"
    dmarc: Check = "note"
    trusted_sealers: tuple[str, ...] = ()
    timeout_s: float = 2.0
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GreylistSettings:
    """Whether servers that nobody knows are told to come again."""

    enabled: bool = False
    pause_s: int = 300
    window_s: int = 24 * 3600
    known_s: int = 36 * 86400
    spare_spf: bool = True
    exempt: tuple[str, ...] = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """What an account may have that has no limits of its own."""

    storage_octets: ZeroOr = ZeroOr(0)
    messages: ZeroOr = ZeroOr(0)

    @property
    def limits(self) -> Quota:
        return Quota(self.storage_octets, self.messages)


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """Content filters beside this server, which speak the milter protocol."""

    milters: tuple[str, ...] = ()
    doors: tuple[str, ...] = ("smtp", "submission")
    timeout_s: float = 30.0
    on_fault: OnFault = "tempfail"


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """Signatures on what leaves.  An empty folder means ``dkim`` below the data directory."""

    keys_directory: str = ""
    seal: bool = True


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How mail leaves: by which server, and how it is known to be that one."""

    via: Via = "off"
    smarthost: str = ""
    tls: RelayTls = "verify"
    implicit_tls: bool = False
    ca_file: str = ""
    user: str = ""
    password_file: str = ""
    connections: int = 4
    messages_per_connection: int = 100
    mta_sts: bool = True
    dane: bool = False
    dns_servers: tuple[str, ...] = ()
    private_addresses: bool = False


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """What holds for all groups."""

    pause_after_bounces: int = 5
    rewrite_from: bool = True
    held_days: int = 7
    max_held: int = 1000
    petition_days: int = 3
    recall_window_s: ZeroOr = ZeroOr(3600)
    brake_replies: ZeroOr = ZeroOr(50)
    brake_window_s: int = 600
    brake_pause_s: int = 3600
    posts_per_sender: ZeroOr = ZeroOr(0)
    posts_per_group: ZeroOr = ZeroOr(0)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """When something that failed is tried again, and when it is given up."""

    tries: int = 20
    first_pause_s: float = 300.0
    longest_pause_s: float = 8 * 3600.0
    warn_after_s: float = 4 * 3600.0
    local_tries: int = 30
    lease_s: int = 120
    language: Language = "en"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """For whom groups are carried when nobody looks."""

    carry: bool = True
    active_days: int = 30
    tick_s: float = 2.0
    batch: int = 200
    archive: str = ""
    reach_days: int = 30


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """Markdown rendering in worker processes (libraries.md 2)."""

    workers: int = 2
    max_source_octets: int = 64 * 1024
    timeout_s: float = 2.0
    memory_octets: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    hostname: str = "localhost"
    domains: tuple[str, ...] = ("localhost",)
    data_directory: Path = Path()
    store: StoreSettings = field(default_factory=StoreSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    submission: SubmissionSettings = field(default_factory=SubmissionSettings)
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    lmtp: LmtpSettings = field(default_factory=LmtpSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    oauth: OauthSettings = field(default_factory=OauthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    checks: CheckSettings = field(default_factory=CheckSettings)
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    quota: QuotaSettings = field(default_factory=QuotaSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    dkim: DkimSettings = field(default_factory=DkimSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    groups: GroupSettings = field(default_factory=GroupSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    render: RenderSettings = field(default_factory=RenderSettings)
