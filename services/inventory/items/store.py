"""What InventoryService asks of whatever keeps the items: a method for each RPC."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.inventory.items.types import Grant, Item, ItemKey, ItemPosition
from shared.contract.paging import Page
from shared.stores.requests.key import RequestKey


class ItemStore(Protocol):
    """Items in stacks. A change and its request record happen together or not at all.

    A write that brings a key takes effect once under it: the same request again gets the same answer, another one
    raises RequestIdReused. Every method may also raise StoreUnavailable, Overloaded, DeadlineReached; those that name a
    player whom nobody knew yet, what asking profile raises."""

    async def grant_item(self, grant: Grant, key: RequestKey) -> Item:
        """Adds to a stack, or makes it; the stack after it. Raises NotFound for a player who does not exist,
        PreconditionFailed where the stack would exceed 2^63-1, RequestIdReused."""
        ...

    async def batch_grant_items(self, grants: Sequence[Grant], key: RequestKey) -> list[Item]:
        """All or nothing; an item for each grant, as it is after all of them, without its metadata. Raises likewise."""
        ...

    async def consume_item(self, item: ItemKey, quantity: int, key: RequestKey) -> Item:
        """Takes from a stack; the stack after it, which is gone where nothing is left. Raises PreconditionFailed where
        there is too little, RequestIdReused."""
        ...

    async def get_item(self, item: ItemKey) -> Item:
        """Raises NotFound."""
        ...

    async def list_items(
        self, player_id: UUID, item_type: str | None, after: ItemPosition | None, limit: int
    ) -> Page[Item]:
        """Up to `limit` items after a position, by type and id, compared by their bytes."""
        ...

    async def update_item_metadata(self, item: ItemKey, metadata: str, version: int | None) -> Item:
        """Replaces the metadata. Raises NotFound, EtagMismatch where it is not the version that the caller saw."""
        ...
