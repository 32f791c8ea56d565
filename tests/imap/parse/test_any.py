"""What holds for every parser: any octets give a value or an error that says no, and nothing else."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.imap.parse import (
    acl,
    append,
    auth,
    copy,
    fetch,
    mailboxes,
    multisearch,
    notify,
    search,
    select,
    sort,
    store,
)
from opostd.imap.parse import any as any_
from opostd.imap.wire.cursor import Cursor
from opostd.imap.wire.framing import Frame, Framer
from opostd.model.errors import BadSyntax, Refused
from tests.imap.octets import LIMITS, everything

PARSERS: list[Callable[[Cursor], Any]] = [
    acl.parse_setacl,
    acl.parse_about_identifier,
    any_.parse_bare,
    append.parse_append,
    auth.parse_authenticate,
    auth.parse_enable,
    auth.parse_id,
    auth.parse_login,
    partial(copy.parse_copy, by_uid=False),
    copy.parse_uid_expunge,
    partial(fetch.parse_fetch, by_uid=False),
    mailboxes.parse_create,
    multisearch.parse_multisearch,
    notify.parse_notify,
    mailboxes.parse_list,
    mailboxes.parse_lsub,
    mailboxes.parse_mailbox,
    mailboxes.parse_rename,
    mailboxes.parse_status,
    partial(search.parse_search, by_uid=False),
    select.parse_select,
    partial(sort.parse_sort, by_uid=False),
    partial(sort.parse_thread, by_uid=True),
    partial(store.parse_store, by_uid=False),
]

WORDS = [
    *(b" ", b" ", b" ", b"(", b")", b"[", b"]", b"<", b">", b'"', b"\\", b"{2+}\r\nab", b"{0+}\r\n", b"~{1+}\r\n\0"),
    *(b"1", b"0", b"*", b":", b",", b"$", b"4294967296", b"&", b"&-", b"&Jjo-", b"%", b"NIL", b"=", b"YQ=="),
    *(b"INBOX", b"FLAGS", b"+FLAGS.SILENT", b"\\Seen", b"BODY[", b"HEADER.FIELDS", b"1.2", b"RFC822.SIZE", b"ALL"),
    *(b"SEEN", b"NOT ", b"OR ", b"CHARSET", b"UTF-8", b"HEADER", b"SUBJECT", b"SINCE ", b"1-Feb-1994", b"UID "),
    *(
        b"lrswi",
        b"+ta",
        b"-",
        b"anna",
        b"anyone",
        b"CONDSTORE",
        b"QRESYNC ",
        b"(UNCHANGEDSINCE 1) ",
        b" (CHANGEDSINCE 1 VANISHED)",
        b"MODSEQ ",
    ),
    *(b"SET ", b"STATUS ", b"IN ", b"personal", b"subtree ", b"selected", b"MessageNew", b"MessageExpunge", b"NONE"),
    *(
        b"SUBSCRIBED",
        b"RETURN ",
        b"MESSAGES",
        b"USE ",
        b"(REVERSE DATE) ",
        b"REFERENCES ",
        b'"17-Jul-1996 02:44:25 -0700"',
        b"x",
    ),
]
SOUP = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=14).map(b"".join)


def outcome(parse: Callable[[Cursor], Any], frame: Frame) -> object:
    """The value, or the error that says no; any other error is the test's."""
    try:
        return parse(Cursor(frame))
    except (BadSyntax, Refused) as error:
        return error


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: getattr(parse, "func", parse).__name__)
def test_a_value_or_an_error(parse: Callable[[Cursor], Any]) -> None:
    @given(SOUP)
    def check(octets: bytes) -> None:
        framer = Framer(LIMITS)
        framer.feed(octets + b"\r\n")
        for frame in everything(framer):
            if isinstance(frame, Frame):
                found = outcome(parse, frame)
                assert hash(found) is not None
                if isinstance(found, BadSyntax):
                    assert 0 <= found.offset <= len(frame.text)
                    assert found.expected

    check()
