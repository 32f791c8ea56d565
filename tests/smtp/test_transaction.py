"""The order of commands, and what each leaves behind (RFC 5321 4.1.4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.model.ids import BoxId, OwnerId
from opostd.model.mailing import Target
from opostd.smtp import reply as say
from opostd.smtp import transaction as t
from opostd.smtp.params import MailParams, RcptParams
from opostd.smtp.path import NULL, Path
from opostd.smtp.reply import Reply

ANNA = Path("anna", "x.example")
UTF8 = Path("jürgen", "x.example")
BOX = Target(OwnerId(7), BoxId(8))
HELLO = t.Hello("client", "mail.example", True, ("PIPELINING",))
RULES = t.Rules(max_message_octets=1000, max_recipients=2)


def after(*events: t.Event) -> t.Envelope:
    envelope = t.Envelope()
    for event in events:
        envelope, _ = t.apply(envelope, event)
    return envelope


MAIL = t.Mail(ANNA, MailParams())
RCPT = t.Rcpt(ANNA, RcptParams(), (BOX,))

ORDER = [
    ((), t.Mail, RULES, say.HELLO_FIRST),
    ((), t.Data, t.Rules(lhlo=True), say.LHLO_FIRST),
    ((HELLO,), t.Mail, RULES, None),
    ((HELLO,), t.Rcpt, RULES, say.MAIL_FIRST),
    ((HELLO,), t.Data, RULES, say.MAIL_FIRST),
    ((HELLO, MAIL), t.Mail, RULES, say.NESTED_MAIL),
    ((HELLO, t.Mail(NULL, MailParams())), t.Mail, RULES, say.NESTED_MAIL),
    ((HELLO, MAIL), t.Data, RULES, say.RCPT_FIRST),
    ((HELLO, MAIL, t.Refusal(say.NO_SUCH_ADDRESS)), t.Data, RULES, say.NO_VALID_RECIPIENTS),
    ((HELLO, MAIL, RCPT, t.Refusal(say.NO_SUCH_ADDRESS)), t.Data, RULES, None),
    ((HELLO, MAIL), t.Auth, RULES, say.AUTH_IN_MAIL),
    ((HELLO, MAIL, t.Reset()), t.Auth, RULES, None),
    ((HELLO, MAIL, RCPT, t.Done(say.OK)), t.Data, RULES, say.MAIL_FIRST),
    ((HELLO, MAIL, RCPT, HELLO), t.Rcpt, RULES, say.MAIL_FIRST),
    ((HELLO, MAIL, t.Secured()), t.Mail, RULES, say.HELLO_FIRST),
    ((HELLO, MAIL, RCPT), t.Chunk, RULES, None),
    ((HELLO, MAIL), t.Chunk, RULES, say.RCPT_FIRST),
    ((HELLO, MAIL, RCPT, t.Chunk(5)), t.Chunk, RULES, None),
    ((HELLO, MAIL, RCPT, t.Chunk(5)), t.Data, RULES, say.IN_CHUNKS),
    ((HELLO, MAIL, RCPT, t.Chunk(5)), t.Rcpt, RULES, say.IN_CHUNKS),
    ((HELLO, MAIL, RCPT, t.Chunk(5)), t.Mail, RULES, say.NESTED_MAIL),
    ((HELLO, MAIL, RCPT, t.Chunk(5), t.Reset(), MAIL, RCPT), t.Data, RULES, None),
    ((HELLO,), t.Mail, t.Rules(needs_tls=True, needs_login=True), say.TLS_FIRST),
    ((HELLO,), t.Data, t.Rules(needs_login=True), say.AUTH_NEEDED),
]


@pytest.mark.parametrize(("events", "command", "rules", "reply"), ORDER)
def test_order(events: tuple[t.Event, ...], command: type, rules: t.Rules, reply: Reply | None) -> None:
    assert t.check_order(after(*events), command, rules) == reply


def test_mail_checks() -> None:
    assert t.check_mail(t.Mail(UTF8, MailParams()), RULES) == say.NEEDS_SMTPUTF8
    assert t.check_mail(t.Mail(UTF8, MailParams(smtputf8=True)), RULES) is None
    assert t.check_mail(t.Mail(ANNA, MailParams(size=1001)), RULES) == say.TOO_BIG
    assert t.check_mail(t.Mail(ANNA, MailParams(size=1000)), RULES) is None


def test_rcpt_checks() -> None:
    assert t.check_rcpt(after(HELLO, MAIL), t.Rcpt(UTF8, RcptParams()), RULES) == say.NEEDS_SMTPUTF8
    utf8_mail = t.Mail(ANNA, MailParams(smtputf8=True))
    assert t.check_rcpt(after(HELLO, utf8_mail), t.Rcpt(UTF8, RcptParams()), RULES) is None
    assert t.check_rcpt(after(HELLO, MAIL, RCPT), RCPT, RULES) is None
    assert t.check_rcpt(after(HELLO, MAIL, RCPT, RCPT), RCPT, RULES) == say.TOO_MANY_RECIPIENTS


def test_a_recipient_named_twice_is_answered_twice() -> None:
    assert after(HELLO, MAIL, RCPT, RCPT).recipients == (RCPT, RCPT)  # LMTP answers each; the store has one row


EVENTS = st.sampled_from([HELLO, MAIL, RCPT, t.Refusal(say.NO_RELAY), t.Done(say.OK), t.Reset(), t.Secured()])


@given(st.lists(EVENTS, max_size=12))
def test_data_may_come_only_with_a_sender_and_a_recipient(events: list[t.Event]) -> None:
    """Whatever was said, as long as each command was let through by its check."""
    envelope = t.Envelope()
    for event in events:
        if isinstance(event, (t.Mail, t.Rcpt)) and t.check_order(envelope, type(event), RULES) is not None:
            continue
        envelope, _ = t.apply(envelope, event)
        if t.check_order(envelope, t.Data, RULES) is None:
            assert envelope.hello
            assert envelope.mail_from is not None
            assert envelope.recipients
        if isinstance(event, (t.Done, t.Reset, t.Hello, t.Secured)):
            assert envelope.mail_from is None
            assert not envelope.recipients
