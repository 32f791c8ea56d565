"""STORE and UID STORE (RFC 9051 6.4.6)."""

from opostd.imap.commands.fetch import lines
from opostd.imap.commands.messages import chosen, count, indexes, uid_ranges, writable
from opostd.imap.session import Reply, Session
from opostd.imap.values.commands import Store
from opostd.imap.values.fetch import Item
from opostd.imap.values.responses import Condition, Done
from opostd.store import flags


async def store(session: Session, command: Store) -> Reply:
    """Every message named is answered, changed or not, unless .SILENT, with its flags after the change."""
    box = writable(session)
    ranges = chosen(box, command.numbers, by_uid=command.by_uid)
    if not ranges:
        return
    result = await session.services.store.run(
        flags.store_flags, *box.live.key, uid_ranges(box.view, ranges), command.action, command.flags, None
    )
    await box.live.refresh()
    if result.changed:
        box.own.add(result.modseq)
    found = indexes(box, ranges)
    if not command.silent:
        items = (Item.UID, Item.FLAGS) if command.by_uid else (Item.FLAGS,)
        async for octets in lines(session, found, items):
            yield octets
    if len(found) < count(ranges):
        yield Done(Condition.OK, "some of these messages are gone", b"EXPUNGEISSUED")
