"""ESMTP parameters: numbers, case, once only, and only what is announced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.model.errors import BadSyntax
from opostd.smtp.params import Body, MailParams, RcptParams, UnknownParameter, mail_params, rcpt_params

MAIL = frozenset(
    {"SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID", "REQUIRETLS", "MT-PRIORITY", "HOLDFOR", "HOLDUNTIL", "BY"}
)
RCPT = frozenset({"NOTIFY", "ORCPT"})

GOOD_MAIL = [
    ("", MailParams()),
    ("SIZE=0", MailParams(size=0)),
    ("size=123 body=8bitmime", MailParams(size=123, body=Body.EIGHT_BIT)),
    ("BODY=binarymime", MailParams(body=Body.BINARY)),
    ("BY=+120;r", MailParams(by_s=120, by_mode="R")),
    ("BY=-000000005;NT", MailParams(by_s=-5, by_mode="NT")),
    ("BODY=7BIT  SMTPUTF8 ", MailParams(smtputf8=True)),
    ("SIZE=99999999999999999999", MailParams(size=99999999999999999999)),
    ("AUTH=<>", MailParams(auth="<>")),
    ("AUTH=e+3Dmc2@example.com", MailParams(auth="e+3Dmc2@example.com")),
    ("RET=hdrs ENVID=QQ314159", MailParams(ret="HDRS", envid="QQ314159")),
    ("requiretls mt-priority=-9", MailParams(require_tls=True, priority=-9)),
    ("MT-PRIORITY=0 HOLDFOR=31622400", MailParams(hold_for=31622400)),
    ("HOLDUNTIL=2026-11-25T20:30:00Z", MailParams(hold_until=1795638600)),
]

BAD_MAIL = [
    "SIZE", "SIZE=", "SIZE=-1", "SIZE=+5", "SIZE=1_0", "SIZE=abc", "SIZE=1.5", "SIZE=123456789012345678901", "SIZE=٣",
    "SIZE=1 SIZE=1", "BODY", "BODY=BINARY", "BY=5;TR", "BY=5,R", "BY=--5;N", "BODY=8BIT", "SMTPUTF8=1", "SMTPUTF8 smtputf8", "AUTH=a+3", "AUTH=a+3d",
    "=1", "SI ZE=1 = ", "SIZE=1=2", "ENVID=", "ENVID=" + "a" * 101, "RET=ALL", "SIZE=1\t2", "\x01",
    "REQUIRETLS=", "REQUIRETLS=YES", "MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=+1", "MT-PRIORITY=-0", "MT-PRIORITY=٣",
    "HOLDFOR=", "HOLDFOR=0", "HOLDFOR=01", "HOLDFOR=31622401", "HOLDFOR=-5", "HOLDFOR=9999999999", "HOLDUNTIL=now",
    "HOLDUNTIL=2026-11-25T20:30:00", "HOLDUNTIL=2026-13-25T20:30:00Z", "HOLDFOR=1 HOLDUNTIL=2026-11-25T20:30:00Z",
]  # fmt: skip


@pytest.mark.parametrize(("text", "params"), GOOD_MAIL)
def test_mail(text: str, params: MailParams) -> None:
    assert mail_params(text, MAIL) == params


@pytest.mark.parametrize("text", BAD_MAIL)
def test_bad_mail(text: str) -> None:
    with pytest.raises(BadSyntax):
        mail_params(text, MAIL)


@pytest.mark.parametrize("text", ["RET=FULL", "ENVID=x", "AUTH=<>", "XFOO", "HOLDFOR=5", "SMTPUTF8", "BODY=7BIT"])
def test_what_is_not_announced_is_unknown(text: str) -> None:
    with pytest.raises(UnknownParameter):
        mail_params(text, frozenset({"SIZE"}))


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("", RcptParams()),
        ("NOTIFY=never", RcptParams(notify=frozenset({"NEVER"}))),
        ("NOTIFY=SUCCESS,FAILURE", RcptParams(notify=frozenset({"SUCCESS", "FAILURE"}))),
        ("ORCPT=rfc822;Bob+2B@Example.com", RcptParams(orcpt="rfc822;Bob+2B@Example.com")),
    ],
)
def test_rcpt(text: str, params: RcptParams) -> None:
    assert rcpt_params(text, RCPT) == params


@pytest.mark.parametrize(
    "text",
    ["NOTIFY", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,SUCCESS", "NOTIFY=X", "NOTIFY=,", "ORCPT=bob", "ORCPT=a;+3d"],
)
def test_bad_rcpt(text: str) -> None:
    with pytest.raises(BadSyntax):
        rcpt_params(text, RCPT)


@given(st.text(max_size=40))
def test_any_text_gives_parameters_or_bad_syntax(text: str) -> None:
    for parse, names in ((mail_params, MAIL), (rcpt_params, RCPT)):
        try:
            parse(text, names)
        except BadSyntax:
            pass
