"""Recipients as people and programs name them: ``anna``, ``anna@example.org``, or a field of a header."""

from opostd.intake.message import Field
from opostd.mime.addresses import MISSING_DOMAIN, MISSING_MAILBOX, addresses
from opostd.model.errors import BadAddress
from opostd.store.accounts import fold_address, outside

MAX_ADDRESSES = 10_000  # of one field that are looked at (security.md 1.3)


def recipient_address(address: str, domains: tuple[str, ...], *, relay: bool) -> str:
    """An address of ours as the directory has it, or, where mail may leave, one of elsewhere.  Raises BadAddress."""
    text = address.strip()
    if not text:
        raise BadAddress("an address is needed, such as anna or anna@example.org")
    domain = text.rpartition("@")[2].lower().removesuffix(".")
    if relay and "@" in text and domain not in domains:
        return outside(text).address
    return fold_address(text, domains)


def specs(field: Field) -> list[str]:
    """The addresses of a header field; one without a domain is a name of ours.  Raises BadAddress."""
    found = []
    for entry in addresses(field.value, MAX_ADDRESSES):
        if entry.host is None:
            continue  # the border of a group
        if entry.mailbox is None or entry.mailbox == MISSING_MAILBOX:
            raise BadAddress(f"no address in {field.name.decode()}: {field.value[:80]!r}")
        local = entry.mailbox.decode("utf-8", "replace")
        found.append(local if entry.host == MISSING_DOMAIN else f"{local}@{entry.host.decode('utf-8', 'replace')}")
    return found
