"""Every response as octets (RFC 9051 7, RFC 3501 7)."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.format.any import FORMATTERS, format_response
from opostd.imap.values.acl import AclData, MyRights, RightsList
from opostd.imap.values.batches import BatchData
from opostd.imap.values.metadata import MetadataChanged, MetadataData
from opostd.imap.values.quota import QuotaData, QuotaRoots, Resource
from opostd.imap.values.responses import (
    BoxFlags,
    Capability,
    Condition,
    Continue,
    Enabled,
    ESearch,
    Exists,
    Expunge,
    FlagsChanged,
    IdData,
    Listed,
    Namespaces,
    Recent,
    Response,
    SearchData,
    SortData,
    State,
    StatusData,
    ThreadData,
    Vanished,
)
from opostd.imap.values.sort import Tree
from opostd.model.flags import DELETED, SEEN
from opostd.model.rights import ALL_RIGHTS, Rights

RESPONSES: list[tuple[Response, bytes]] = [
    (State(Condition.OK, "ready"), b"* OK ready"),
    (State(Condition.NO, "no such mailbox", b"NONEXISTENT"), b"* NO [NONEXISTENT] no such mailbox"),
    (State(Condition.BYE, "a\r\nb OK\0c"), b"* BYE a b OK c"),
    (State(Condition.BAD, "größe"), b"* BAD gr??e"),
    (State(Condition.PREAUTH, ""), b"* PREAUTH ."),
    (Exists(23), b"* 23 EXISTS"),
    (Recent(0), b"* 0 RECENT"),
    (Expunge(4), b"* 4 EXPUNGE"),
    (Vanished((3, 4, 5, 9)), b"* VANISHED 3:5,9"),
    (Vanished((4294967295,), earlier=True), b"* VANISHED (EARLIER) 4294967295"),
    (FlagsChanged(2, 6, SEEN, (), 2**63 - 1), b"* 2 FETCH (UID 6 MODSEQ (9223372036854775807) FLAGS (\\Seen))"),
    (FlagsChanged(2, 7, SEEN | DELETED, ("$F",)), b"* 2 FETCH (UID 7 FLAGS (\\Deleted \\Seen $F))"),
    (FlagsChanged(None, 6, SEEN, (), 9), b"* 6 UIDFETCH (MODSEQ (9) FLAGS (\\Seen))"),
    (BoxFlags(()), b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)"),
    (BoxFlags(("$F", "b")), b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $F b)"),
    (Capability(("IMAP4rev1", "IDLE")), b"* CAPABILITY IMAP4rev1 IDLE"),
    (Enabled(()), b"* ENABLED"),
    (Enabled(("CONDSTORE",)), b"* ENABLED CONDSTORE"),
    (Listed(("\\Noselect",), ""), b'* LIST (\\Noselect) "/" ""'),
    (Listed((), "INBOX"), b'* LIST () "/" INBOX'),
    (
        Listed(("\\HasNoChildren", "\\Sent"), "Entwürfe", lsub=True),
        b'* LSUB (\\HasNoChildren \\Sent) "/" "Entw&APw-rfe"',
    ),
    (Listed((), "a/b", childinfo=True), b'* LIST () "/" a/b ("CHILDINFO" ("SUBSCRIBED"))'),
    (Listed((), 'a "b"\\'), b'* LIST () "/" "a \\"b\\"\\\\"'),
    (Listed((), "nil"), b'* LIST () "/" "nil"'),
    (StatusData("INBOX", ((b"MESSAGES", 3), (b"UNSEEN", 0))), b"* STATUS INBOX (MESSAGES 3 UNSEEN 0)"),
    (
        StatusData("x", ((b"MAILBOXID", b"(F1)"), (b"SIZE", 2**63 - 1))),
        b"* STATUS x (MAILBOXID (F1) SIZE 9223372036854775807)",
    ),
    (SearchData(()), b"* SEARCH"),
    (SearchData((2, 84, 882)), b"* SEARCH 2 84 882"),
    (SearchData((2, 5), 917162500), b"* SEARCH 2 5 (MODSEQ 917162500)"),
    (SortData(()), b"* SORT"),
    (SortData((5, 3, 4)), b"* SORT 5 3 4"),
    (SortData((5, 3), 917162500), b"* SORT 5 3 (MODSEQ 917162500)"),
    (ThreadData(()), b"* THREAD"),
    # RFC 5256 4
    (
        ThreadData((Tree(2), Tree(3, (Tree(6, (Tree(4, (Tree(23),)), Tree(44, (Tree(7, (Tree(96),)),)))),)))),
        b"* THREAD (2)(3 6 (4 23)(44 7 96))",
    ),
    (ThreadData((Tree(None, (Tree(3), Tree(5))),)), b"* THREAD ((3)(5))"),
    (ESearch(b"a1", False), b'* ESEARCH (TAG "a1")'),
    (ESearch(b'a"1', True, all=(2, 3, 4, 9, 8, 7, 8)), b'* ESEARCH (TAG "a\\"1") UID ALL 2:4,9,8,7:8'),
    (ESearch(b"a", False, min=2, max=2**32 - 1, count=0), b'* ESEARCH (TAG "a") MIN 2 MAX 4294967295 COUNT 0'),
    (ESearch(b"a", False, all=(1, 2), modseq=9), b'* ESEARCH (TAG "a") ALL 1:2 MODSEQ 9'),
    (ESearch(b"a", True, partial=((-1, -100), (3, 4, 9))), b'* ESEARCH (TAG "a") UID PARTIAL (-1:-100 3:4,9)'),
    (ESearch(b"a", False, count=2, partial=((7, 9), ())), b'* ESEARCH (TAG "a") COUNT 2 PARTIAL (7:9 NIL)'),
    (QuotaData(b"", (Resource(b"STORAGE", 10, 512),)), b'* QUOTA "" (STORAGE 10 512)'),
    (
        QuotaData(b"!partition/sda4", (Resource(b"STORAGE", 104, 10923847), Resource(b"MESSAGE", 0, 2**63 - 1))),
        b'* QUOTA "!partition/sda4" (STORAGE 104 10923847 MESSAGE 0 9223372036854775807)',
    ),
    (
        MetadataData("foo", (("/shared/c", None), ("/shared/d", b"NIL"))),
        b'* METADATA foo (/shared/c NIL /shared/d "NIL")',
    ),
    (MetadataData("", (("/shared/comment", b"Shared comment"),)), b'* METADATA "" (/shared/comment "Shared comment")'),
    (
        MetadataData("INBOX", (("/private/filters/values/small", b"SMALLER 5000"), ("/private/x", b'FROM "b"'))),
        b'* METADATA INBOX (/private/filters/values/small "SMALLER 5000" /private/x "FROM \\"b\\"")',
    ),
    (
        MetadataData("a b", (("/private/a(b", b"\r\n"), ("/private/n", b"\0"), ("/private/u", "ü".encode()))),
        b'* METADATA "a b" ("/private/a(b" {2}\r\n\r\n /private/n ~{1}\r\n\0 /private/u {2}\r\n\xc3\xbc)',
    ),
    (MetadataChanged("", ("/shared/comment",)), b'* METADATA "" /shared/comment'),
    (MetadataChanged("a b", ("/private/a(b", "/shared/x")), b'* METADATA "a b" "/private/a(b" /shared/x'),
    # RFC 10022 3.1
    (
        BatchData(b"A143", ((215295, 99696), (99695, 20351), (20350, 7830), (7829, 1))),
        b'* UIDBATCHES (TAG "A143") 215295:99696,99695:20351,20350:7830,7829:1',
    ),
    (BatchData(b"A143", ()), b'* UIDBATCHES (TAG "A143")'),
    (BatchData(b"a", ((1, 1),)), b'* UIDBATCHES (TAG "a") 1:1'),
    (QuotaRoots("INBOX", (b"#user/alice", b"")), b'* QUOTAROOT INBOX "#user/alice" ""'),
    (QuotaRoots("Entwürfe", ()), b'* QUOTAROOT "Entw&APw-rfe"'),
    (
        AclData("Gr\u00fcn", (("anna@x", ALL_RIGHTS), ("-b\u00f6b@x", Rights.WRITE), ("anyone", Rights(0)))),
        b'* ACL "Gr&APw-n" anna@x lrswipkxtecda {7}\r\n-b\xc3\xb6b@x w anyone ""',
    ),
    (AclData("x", ()), b"* ACL x"),
    (RightsList("x", "NIL", ALL_RIGHTS, False), b'* LISTRIGHTS x "NIL" lrswipkxtecda'),
    (RightsList("x", "a b", Rights(0), True), b'* LISTRIGHTS x "a b" "" l r s w i p k x t e c d a'),
    (MyRights("x y", Rights.LOOKUP | Rights.EXPUNGE), b'* MYRIGHTS "x y" led'),
    (Namespaces(), b'* NAMESPACE (("" "/")) NIL (("Shared/" "/"))'),
    (IdData((("name", "opostd"),)), b'* ID ("name" "opostd")'),
    (Continue(), b"+ "),
    (Continue(b"idling"), b"+ idling"),
]


@pytest.mark.parametrize(("response", "octets"), RESPONSES, ids=lambda value: type(value).__name__)
def test_response(response: Response, octets: bytes) -> None:
    assert format_response(response) == octets + b"\r\n"


def test_a_tag() -> None:
    assert format_response(State(Condition.OK, "done"), b"a1") == b"a1 OK done\r\n"
    assert format_response(State(Condition.OK, "done", b"READ-ONLY"), b"a1") == b"a1 OK [READ-ONLY] done\r\n"


def test_many_that_vanished_are_several_lines() -> None:
    lines = format_response(Vanished(tuple(range(1, 4002, 2)))).split(b"\r\n")
    assert [line[:15] for line in lines] == [b"* VANISHED 1,3,", b"* VANISHED 2001", b"* VANISHED 4001", b""]


def test_every_response_has_a_formatter() -> None:
    assert set(FORMATTERS) == set(get_args(Response))
    assert {type(response) for response, _ in RESPONSES} == set(FORMATTERS)


@given(st.text(), st.sampled_from(Condition))
def test_whatever_the_text_it_is_one_line(text: str, condition: Condition) -> None:
    octets = format_response(State(condition, text, b"ALERT"), b"a1")
    assert re.fullmatch(rb"a1 [A-Z]+ \[ALERT\] [^\0\r\n\x80-\xff]+\r\n", octets)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_whatever_the_name_it_is_one_response(name: str) -> None:
    octets = format_response(Listed((), name))
    literal = re.match(rb'\* LIST \(\) "/" \{([0-9]+)\}\r\n', octets)
    if literal is None:
        assert re.fullmatch(rb"[^\0\r\n\x80-\xff]+\r\n", octets)
    else:
        assert len(octets) == literal.end() + int(literal[1]) + 2
