"""The commands: one row is the whole registration.

Dispatch, the state check, CAPABILITY and whether EXPUNGE may be shown all read it; a capability is announced if and
only if a row carries it (or it is no command's, and stands in ``extensions`` alone).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opostd.imap.commands import (
    acl,
    append,
    auth,
    batches,
    compress,
    copy,
    fetch,
    idle,
    mailboxes,
    metadata,
    multisearch,
    notify,
    quota,
    search,
    select,
    sort,
    status,
    store,
)
from opostd.imap.commands import any as any_
from opostd.imap.parse import acl as parse_acl
from opostd.imap.parse import any as parse_any
from opostd.imap.parse import append as parse_append
from opostd.imap.parse import auth as parse_auth
from opostd.imap.parse import batches as parse_batches
from opostd.imap.parse import copy as parse_copy
from opostd.imap.parse import fetch as parse_fetch
from opostd.imap.parse import mailboxes as parse_mailboxes
from opostd.imap.parse import metadata as parse_metadata
from opostd.imap.parse import multisearch as parse_multisearch
from opostd.imap.parse import notify as parse_notify
from opostd.imap.parse import quota as parse_quota
from opostd.imap.parse import search as parse_search
from opostd.imap.parse import select as parse_select
from opostd.imap.parse import sort as parse_sort
from opostd.imap.parse import store as parse_store
from opostd.imap.session import Reply, Session
from opostd.imap.state.machine import ANY, LOGGED_IN, State
from opostd.imap.values.responses import Condition, Done
from opostd.imap.wire.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Row:
    """One command.

    name: upper case; UID forms with one space.  may_expunge: EXPUNGE may be shown before its tagged line: not where
    the client may have sent more commands with sequence numbers (RFC 9051 7.5.1); True, False, or by the command.
    slow: it may take long before the first of its answers, and says so (``imap.progress``).
    numbers: what it asks or answers counts messages, so that it is refused under UIDONLY (RFC 9586 3.2, 3.5, 3.8).
    completed: the end of its answer, where nothing else is to be said.
    tells_all: what it does is told as changes of the selected mailbox, also to a client whose NOTIFY wants none.
    """

    name: bytes
    parse: Callable[[Cursor], Any]
    handle: Callable[[Session, Any], Reply]
    states: State
    capability: str | None = None
    may_expunge: bool | Callable[[Any], bool] = True
    numbers: bool | Callable[[Any], bool] = False
    tells_all: bool = False
    slow: bool = False
    completed: Done = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "completed", Done(Condition.OK, f"{self.name.decode('ascii')} completed"))

    def expunges(self, command: object) -> bool:
        """Whether EXPUNGE or VANISHED may be shown before the tagged line of this command."""
        return self.may_expunge if isinstance(self.may_expunge, bool) else self.may_expunge(command)

    def counts(self, command: object) -> bool:
        """Whether this command has to do with message numbers."""
        return self.numbers if isinstance(self.numbers, bool) else self.numbers(command)


BARE = parse_any.parse_bare
MAILBOX = parse_mailboxes.parse_mailbox

ROWS = (
    Row(b"CAPABILITY", BARE, any_.capability, ANY),
    Row(b"NOOP", BARE, any_.noop, ANY),
    Row(b"LOGOUT", BARE, any_.logout, ANY),
    Row(b"ID", parse_auth.parse_id, any_.id_, ANY, "ID"),
    Row(b"STARTTLS", BARE, auth.starttls, State.NOT_AUTHENTICATED, "STARTTLS"),
    Row(b"AUTHENTICATE", parse_auth.parse_authenticate, auth.authenticate, State.NOT_AUTHENTICATED, "SASL-IR"),
    Row(b"LOGIN", parse_auth.parse_login, auth.login, State.NOT_AUTHENTICATED),
    Row(b"UNAUTHENTICATE", BARE, auth.unauthenticate, LOGGED_IN, "UNAUTHENTICATE"),
    Row(b"ENABLE", parse_auth.parse_enable, any_.enable, LOGGED_IN, "ENABLE"),
    Row(b"NAMESPACE", BARE, any_.namespace, LOGGED_IN, "NAMESPACE"),
    Row(b"COMPRESS", parse_any.parse_compress, compress.compress, LOGGED_IN, "COMPRESS=DEFLATE"),
    Row(b"IDLE", BARE, idle.idle, LOGGED_IN, "IDLE"),
    Row(b"NOTIFY", parse_notify.parse_notify, notify.notify, LOGGED_IN, "NOTIFY", tells_all=True),
    Row(b"LIST", parse_mailboxes.parse_list, mailboxes.list_, LOGGED_IN, "LIST-EXTENDED"),
    Row(b"LSUB", parse_mailboxes.parse_lsub, mailboxes.lsub, LOGGED_IN),
    Row(b"SUBSCRIBE", MAILBOX, mailboxes.subscribe, LOGGED_IN),
    Row(b"UNSUBSCRIBE", MAILBOX, mailboxes.unsubscribe, LOGGED_IN),
    Row(b"CREATE", parse_mailboxes.parse_create, mailboxes.create, LOGGED_IN, "CREATE-SPECIAL-USE"),
    Row(b"DELETE", MAILBOX, mailboxes.delete, LOGGED_IN, slow=True),
    Row(b"RENAME", parse_mailboxes.parse_rename, mailboxes.rename, LOGGED_IN),
    Row(b"STATUS", parse_mailboxes.parse_status, status.status, LOGGED_IN),
    Row(b"GETQUOTA", parse_quota.parse_getquota, quota.getquota, LOGGED_IN, "QUOTA"),
    Row(b"GETQUOTAROOT", MAILBOX, quota.getquotaroot, LOGGED_IN, "QUOTA"),
    Row(b"SETACL", parse_acl.parse_setacl, acl.setacl, LOGGED_IN, "ACL"),
    Row(b"DELETEACL", parse_acl.parse_about_identifier, acl.deleteacl, LOGGED_IN, "ACL"),
    Row(b"GETACL", MAILBOX, acl.getacl, LOGGED_IN, "ACL"),
    Row(b"LISTRIGHTS", parse_acl.parse_about_identifier, acl.listrights, LOGGED_IN, "ACL"),
    Row(b"MYRIGHTS", MAILBOX, acl.myrights, LOGGED_IN, "ACL"),
    Row(b"GETMETADATA", parse_metadata.parse_getmetadata, metadata.getmetadata, LOGGED_IN, "METADATA"),
    Row(b"SETMETADATA", parse_metadata.parse_setmetadata, metadata.setmetadata, LOGGED_IN, "METADATA"),
    Row(b"APPEND", parse_append.parse_append, append.append, LOGGED_IN, "MULTIAPPEND", slow=True),
    Row(
        b"REPLACE",
        partial(parse_append.parse_replace, by_uid=False),
        append.replace,
        State.SELECTED,
        "REPLACE",
        numbers=True,
        tells_all=True,
        slow=True,
    ),
    Row(
        b"UID REPLACE",
        partial(parse_append.parse_replace, by_uid=True),
        append.replace,
        State.SELECTED,
        "REPLACE",
        tells_all=True,
        slow=True,
    ),
    Row(b"SELECT", parse_select.parse_select, select.select, LOGGED_IN, numbers=select.with_numbers),
    Row(b"EXAMINE", parse_select.parse_select, select.examine, LOGGED_IN, numbers=select.with_numbers),
    Row(b"UIDBATCHES", parse_batches.parse_uidbatches, batches.uidbatches, State.SELECTED, "UIDBATCHES"),
    Row(b"CHECK", BARE, any_.noop, State.SELECTED),
    Row(b"CLOSE", BARE, select.close, State.SELECTED, slow=True),
    Row(b"UNSELECT", BARE, select.unselect, State.SELECTED, "UNSELECT"),
    Row(b"EXPUNGE", BARE, select.expunge, State.SELECTED, tells_all=True, slow=True),
    Row(
        b"UID EXPUNGE",
        parse_copy.parse_uid_expunge,
        select.uid_expunge,
        State.SELECTED,
        "UIDPLUS",
        tells_all=True,
        slow=True,
    ),
    Row(
        b"FETCH",
        partial(parse_fetch.parse_fetch, by_uid=False),
        fetch.fetch,
        State.SELECTED,
        may_expunge=False,
        numbers=True,
    ),
    Row(b"UID FETCH", partial(parse_fetch.parse_fetch, by_uid=True), fetch.fetch, State.SELECTED),
    Row(
        b"STORE",
        partial(parse_store.parse_store, by_uid=False),
        store.store,
        State.SELECTED,
        may_expunge=False,
        numbers=True,
    ),
    Row(b"UID STORE", partial(parse_store.parse_store, by_uid=True), store.store, State.SELECTED),
    Row(
        b"SEARCH",
        partial(parse_search.parse_search, by_uid=False),
        search.search,
        State.SELECTED,
        may_expunge=False,
        numbers=True,
        slow=True,
    ),
    Row(
        b"UID SEARCH",
        partial(parse_search.parse_search, by_uid=True),
        search.search,
        State.SELECTED,
        may_expunge=search.without_numbers,
        numbers=search.with_numbers,
        slow=True,
    ),
    Row(
        b"ESEARCH",
        parse_multisearch.parse_multisearch,
        multisearch.multisearch,
        LOGGED_IN,
        "MULTISEARCH",
        may_expunge=multisearch.without_numbers,
        numbers=multisearch.with_numbers,
        slow=True,
    ),
    Row(
        b"SORT",
        partial(parse_sort.parse_sort, by_uid=False),
        sort.sort,
        State.SELECTED,
        "SORT",
        may_expunge=False,
        numbers=True,
        slow=True,
    ),
    Row(
        b"UID SORT",
        partial(parse_sort.parse_sort, by_uid=True),
        sort.sort,
        State.SELECTED,
        "SORT",
        may_expunge=search.without_numbers,
        numbers=search.with_numbers,
        slow=True,
    ),
    Row(
        b"THREAD",
        partial(parse_sort.parse_thread, by_uid=False),
        sort.thread,
        State.SELECTED,
        "THREAD=REFERENCES",
        may_expunge=False,
        numbers=True,
        slow=True,
    ),
    Row(
        b"UID THREAD",
        partial(parse_sort.parse_thread, by_uid=True),
        sort.thread,
        State.SELECTED,
        "THREAD=REFERENCES",
        may_expunge=search.without_numbers,
        numbers=search.with_numbers,
        slow=True,
    ),
    Row(b"COPY", partial(parse_copy.parse_copy, by_uid=False), copy.copy, State.SELECTED, numbers=True, slow=True),
    Row(b"UID COPY", partial(parse_copy.parse_copy, by_uid=True), copy.copy, State.SELECTED, slow=True),
    Row(
        b"MOVE",
        partial(parse_copy.parse_copy, by_uid=False),
        copy.move,
        State.SELECTED,
        "MOVE",
        numbers=True,
        tells_all=True,
        slow=True,
    ),
    Row(
        b"UID MOVE",
        partial(parse_copy.parse_copy, by_uid=True),
        copy.move,
        State.SELECTED,
        "MOVE",
        tells_all=True,
        slow=True,
    ),
)

TABLE: dict[bytes, Row] = {row.name: row for row in ROWS}

ROWS_CAPABILITIES: frozenset[str] = frozenset(row.capability for row in ROWS if row.capability)
