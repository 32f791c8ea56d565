"""The address of a group, as several commands look it up."""

from typing import TYPE_CHECKING

from opostd.cli.common import folded
from opostd.config import Settings
from opostd.model.errors import NoSuchAddress
from opostd.model.records import Address, AddressKind

if TYPE_CHECKING:
    from opostd.store.run import Store


async def source_of(store: "Store", settings: Settings, address: str) -> Address:
    """The address of a group.  Raises NoSuchAddress."""
    from opostd.store import accounts

    addr = folded(address, settings)
    found = await store.run(accounts.address, addr)
    if found is None or found.kind is not AddressKind.SOURCE:
        raise NoSuchAddress(f"there is no group {addr}")
    return found
