"""CAPABILITY, ENABLED, ID, and the continuation request (RFC 9051 7.2.1, 7.2.2, 7.6; RFC 5161; RFC 2971)."""

from opostd.imap.format.strings import string
from opostd.imap.values.responses import Capability, Continue, Enabled, IdData


def format_capability(capability: Capability) -> bytes:
    return b" ".join([b"* CAPABILITY", *(name.encode("ascii") for name in capability.names)]) + b"\r\n"


def format_enabled(enabled: Enabled) -> bytes:
    return b" ".join([b"* ENABLED", *(name.encode("ascii") for name in enabled.names)]) + b"\r\n"


def format_id(data: IdData) -> bytes:
    fields = [string(part.encode("utf-8")) for field in data.fields for part in field]
    return b"* ID (" + b" ".join(fields) + b")\r\n"


def format_continue(request: Continue) -> bytes:
    """``+ `` and the text: the space stands there too where a SASL challenge is empty (RFC 9051 7.6)."""
    return b"+ " + request.text + b"\r\n"
