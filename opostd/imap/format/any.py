"""Every response to octets: one table from its type to its formatter.  Status responses: RFC 9051 7.1."""

from collections.abc import Callable

from opostd.imap.format import acl, auth, batches, fetch, mailboxes, metadata, quota, search, select, sort
from opostd.imap.format.strings import text
from opostd.imap.values import responses
from opostd.imap.values.acl import AclData, MyRights, RightsList
from opostd.imap.values.batches import BatchData
from opostd.imap.values.metadata import MetadataChanged, MetadataData
from opostd.imap.values.quota import QuotaData, QuotaRoots
from opostd.imap.values.responses import Condition, Response, State

UNTAGGED = b"*"


def format_state(condition: Condition, words: str, code: bytes | None = None, tag: bytes = UNTAGGED) -> bytes:
    """``tag SP condition SP [code] text``.  There is always some text: the grammar wants at least one octet."""
    octets = text(words) or b"."
    if code is not None:
        return b"%b %b [%b] %b\r\n" % (tag, condition.value, code, octets)
    return b"%b %b %b\r\n" % (tag, condition.value, octets)


def _state(state: State) -> bytes:
    return format_state(state.condition, state.text, state.code)


FORMATTERS: dict[type, Callable[..., bytes]] = {
    responses.State: _state,
    responses.Exists: select.format_exists,
    responses.Recent: select.format_recent,
    responses.Expunge: select.format_expunge,
    responses.Vanished: select.format_vanished,
    responses.FlagsChanged: fetch.format_flags_changed,
    responses.BoxFlags: fetch.format_box_flags,
    responses.Capability: auth.format_capability,
    responses.Enabled: auth.format_enabled,
    responses.Listed: mailboxes.format_listed,
    responses.StatusData: mailboxes.format_status,
    responses.SearchData: search.format_search,
    responses.ESearch: search.format_esearch,
    responses.SortData: sort.format_sort,
    responses.ThreadData: sort.format_thread,
    responses.Namespaces: mailboxes.format_namespaces,
    BatchData: batches.format_batches,
    MetadataData: metadata.format_metadata,
    MetadataChanged: metadata.format_metadata_changed,
    QuotaData: quota.format_quota,
    QuotaRoots: quota.format_quota_roots,
    responses.IdData: auth.format_id,
    responses.Continue: auth.format_continue,
    AclData: acl.format_acl,
    RightsList: acl.format_rights_list,
    MyRights: acl.format_my_rights,
}


NAMED = frozenset(
    (
        responses.Listed,
        responses.StatusData,
        responses.ESearch,
        QuotaRoots,
        MetadataData,
        MetadataChanged,
        AclData,
        RightsList,
        MyRights,
    )
)
"""Those with mailbox names in them: their formatters ask whether names are sent in UTF-8."""


def format_response(response: Response, tag: bytes = UNTAGGED, *, utf8: bool = False) -> bytes:
    """One response with its CRLF.  tag: of a status response only; all others are untagged by nature.

    utf8: mailbox names are sent in UTF-8 (RFC 6855 3).
    """
    if type(response) is State:
        return format_state(response.condition, response.text, response.code, tag)
    format_ = FORMATTERS[type(response)]
    return format_(response, utf8) if type(response) in NAMED else format_(response)
