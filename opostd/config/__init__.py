"""Settings: frozen dataclasses, one for each room, read once from TOML and checked as a whole.

``settings`` holds the dataclasses, ``file`` reads them, ``check`` looks whether they can be together, ``problems``
collects what is wrong, ``toml_lines`` finds the line of a key.
"""

from opostd.config.file import default_settings, demo_settings, load, parse
from opostd.config.settings import (
    AgentSettings,
    AuthSettings,
    Check,
    CheckSettings,
    DkimSettings,
    FilterSettings,
    GreylistSettings,
    GroupSettings,
    HttpSettings,
    ImapSettings,
    LimitSettings,
    LmtpSettings,
    Markdown,
    OauthSettings,
    QueueSettings,
    RelaySettings,
    RelayTls,
    RenderSettings,
    Settings,
    SmtpSettings,
    StoreSettings,
    SubmissionSettings,
    TlsSettings,
)

__all__ = [
    "AgentSettings",
    "AuthSettings",
    "Check",
    "CheckSettings",
    "DkimSettings",
    "FilterSettings",
    "GreylistSettings",
    "GroupSettings",
    "HttpSettings",
    "ImapSettings",
    "LimitSettings",
    "LmtpSettings",
    "Markdown",
    "OauthSettings",
    "QueueSettings",
    "RelaySettings",
    "RelayTls",
    "RenderSettings",
    "Settings",
    "SmtpSettings",
    "StoreSettings",
    "SubmissionSettings",
    "TlsSettings",
    "default_settings",
    "demo_settings",
    "load",
    "parse",
]
