"""ESMTP parameters of MAIL and RCPT.

Pure.  RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 and 3030 (BODY), RFC 4954 5 (AUTH), RFC 6531 (SMTPUTF8),
RFC 2852 (BY), RFC 3461 (RET, ENVID, NOTIFY, ORCPT), RFC 4865 (HOLDFOR, HOLDUNTIL), RFC 6710 (MT-PRIORITY), RFC 8689
(REQUIRETLS).  What must stay true: numbers are ``1*20DIGIT`` before ``int`` sees them, values keep their case (ENVID,
ORCPT), and nothing stands twice.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from opostd.model.errors import BadSyntax


class Body(Enum):
    """What the client says the message holds (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class UnknownParameter(BadSyntax):
    """The parameter belongs to no extension that was announced: 555 (RFC 5321 4.1.1.11)."""


@dataclass(frozen=True, slots=True)
class MailParams:
    """Of MAIL.  size: octets as declared; auth: the xtext of AUTH=; None where absent.  ret, envid: DSN.

    hold_for: seconds; hold_until: seconds since 1970; 0 where absent.  by_s: seconds from now, which may be past;
    by_mode: R, N, RT, NT, or empty.
    """

    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    auth: str | None = None
    ret: str = ""
    envid: str = ""
    require_tls: bool = False
    priority: int = 0
    hold_for: int = 0
    hold_until: int = 0
    by_s: int = 0
    by_mode: str = ""


@dataclass(frozen=True, slots=True)
class RcptParams:
    """Of RCPT.  notify: upper-case words; orcpt: ``type;xtext`` as written."""

    notify: frozenset[str] = frozenset()
    orcpt: str = ""


NO_MAIL_PARAMS = MailParams()
NO_RCPT_PARAMS = RcptParams()

_PARAM = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?\Z")  # an esmtp-value has no "=", no control, no space
_SIZE = re.compile(r"[0-9]{1,20}\Z")  # RFC 1870 3
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")  # RFC 3461 4
_ORCPT = re.compile(r"[A-Za-z0-9-]+;(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")
_BODIES = frozenset(each.value for each in Body)
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_PRIORITY = re.compile(r"0|-?[1-9]\Z")  # RFC 6710 8
_INTERVAL = re.compile(r"[1-9][0-9]{0,8}\Z")  # RFC 4865 4
_UTC = "%Y-%m-%dT%H:%M:%SZ"  # of RFC 3339, as RFC 4865 4 has it
_BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)\Z", re.IGNORECASE)  # RFC 2852 4
MIN_BY_S = 60  # what waits is looked at every few seconds, and a message has to be sent too
MAX_HOLD_S = 366 * 86400  # what stays longer is better sent again by who wants it
MAX_ENVID = 100  # RFC 3461 4.4
MAX_ORCPT = 500  # RFC 3461 4.2


def _split(text: str, allowed: frozenset[str]) -> dict[str, str | None]:
    """Names in upper case with their values.  Raises BadSyntax, UnknownParameter."""
    found: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue  # two spaces, or one at the end: many clients do that
        match = _PARAM.match(word)
        if match is None:
            raise BadSyntax(text.find(word), "keyword or keyword=value")
        name = match[1].upper()
        if name not in allowed:
            raise UnknownParameter(text.find(word), "a parameter of an announced extension")
        if name in found:
            raise BadSyntax(text.find(word), "each parameter once")
        found[name] = match[2]
    return found


def _value(name: str, value: str | None, good: Callable[[str], bool]) -> str:
    if value is None or not good(value):
        raise BadSyntax(0, f"a value of {name}")
    return value


def mail_params(text: str, allowed: frozenset[str]) -> MailParams:
    """text: what follows the path of MAIL; allowed: names whose extension is announced.

    Raises BadSyntax (501), UnknownParameter (555).
    """
    if not text:
        return NO_MAIL_PARAMS
    size: int | None = None
    body, smtputf8, auth, ret, envid = Body.SEVEN_BIT, False, None, "", ""
    require_tls, priority, hold_for, hold_until, by_s, by_mode = False, 0, 0, 0, 0, ""
    for name, value in _split(text, allowed).items():
        if name == "SIZE":
            size = int(_value(name, value, lambda v: _SIZE.match(v) is not None))
        elif name == "BODY":
            body = Body(_value(name, value and value.upper(), lambda v: v in _BODIES))
        elif name == "SMTPUTF8":
            if value is not None:
                raise BadSyntax(0, "SMTPUTF8 without a value")  # RFC 6531 3.4
            smtputf8 = True
        elif name == "AUTH":
            auth = _value(name, value, lambda v: v == "<>" or _XTEXT.match(v) is not None)
        elif name == "RET":
            ret = _value(name, value and value.upper(), lambda v: v in {"FULL", "HDRS"})
        elif name == "ENVID":
            envid = _value(name, value, lambda v: len(v) <= MAX_ENVID and _XTEXT.match(v) is not None)
        elif name == "REQUIRETLS":
            if value is not None:
                raise BadSyntax(0, "REQUIRETLS without a value")  # RFC 8689 2
            require_tls = True
        elif name == "MT-PRIORITY":
            priority = int(_value(name, value, lambda v: _PRIORITY.fullmatch(v) is not None))
        elif name == "HOLDFOR":
            hold_for = int(_value(name, value, lambda v: _INTERVAL.match(v) is not None and int(v) <= MAX_HOLD_S))
        elif name == "HOLDUNTIL":
            hold_until = _moment(value or "")
        elif name == "BY":
            by_s, by_mode = _by(value or "")
        else:
            raise UnknownParameter(0, "a parameter of MAIL")
    if hold_for and hold_until:
        raise BadSyntax(0, "HOLDFOR or HOLDUNTIL")
    return MailParams(
        size, body, smtputf8, auth, ret, envid, require_tls, priority, hold_for, hold_until, by_s, by_mode
    )


def _by(value: str) -> tuple[int, str]:
    """``120;R``: seconds, and what is to be done after them."""
    match = _BY.match(value)
    if match is None or (match[2] in "Rr" and int(match[1]) <= 0):
        raise BadSyntax(0, "a time and a mode such as 120;R")
    return int(match[1]), (match[2] + match[3]).upper()


def _moment(value: str) -> int:
    """``2026-11-25T20:30:00Z`` in seconds since 1970."""
    try:
        found = datetime.strptime(value, _UTC).replace(tzinfo=UTC)
    except ValueError:
        raise BadSyntax(0, "a time such as 2026-11-25T20:30:00Z") from None
    return max(int(found.timestamp()), 1)


def moment(seconds: int) -> str:
    """What ``HOLDUNTIL`` would say of it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_UTC)


def rcpt_params(text: str, allowed: frozenset[str]) -> RcptParams:
    """text: what follows the path of RCPT; allowed: names whose extension is announced.

    Raises BadSyntax (501), UnknownParameter (555).
    """
    if not text:
        return NO_RCPT_PARAMS
    notify: frozenset[str] = frozenset()
    orcpt = ""
    for name, value in _split(text, allowed).items():
        if name == "NOTIFY":
            words = _value(name, value and value.upper(), bool).split(",")
            notify = frozenset(words)
            if len(notify) != len(words) or not (notify == {"NEVER"} or notify <= _NOTIFY):
                raise BadSyntax(0, "NEVER, or a list of SUCCESS, FAILURE, DELAY")
        elif name == "ORCPT":
            orcpt = _value(name, value, lambda v: len(v) <= MAX_ORCPT and _ORCPT.match(v) is not None)
        else:
            raise UnknownParameter(0, "a parameter of RCPT")
    return RcptParams(notify, orcpt)
