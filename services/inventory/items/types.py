"""What the inventory service knows of items."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from shared.stores.postgres import Params
from shared.stores.requests.kept import KeptAnswer


@dataclass(frozen=True, slots=True)
class ItemKey:
    """What identifies an item stack: player, type and id."""

    player_id: UUID
    item_type: str
    item_id: str

    def params(self) -> Params:
        """As parameters of a query."""
        return {"player_id": self.player_id, "item_type": self.item_type, "item_id": self.item_id}


@dataclass(frozen=True, slots=True)
class Item:
    """One stack. `metadata` is JSON text; a higher `version` is the later one."""

    player_id: UUID
    item_type: str
    item_id: str
    quantity: int
    metadata: str
    acquired_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What to give to whom; `metadata` None leaves that of an item the player already has."""

    player_id: UUID
    item_type: str
    item_id: str
    quantity: int
    metadata: str | None

    def params(self) -> Params:
        """As parameters of a query."""
        return {
            "player_id": self.player_id,
            "item_type": self.item_type,
            "item_id": self.item_id,
            "quantity": self.quantity,
            "metadata": self.metadata,
        }


@dataclass(frozen=True, slots=True)
class ItemPosition:
    """Where a page of a player's items ends: the type and id of its last item."""

    item_type: str
    item_id: str


# The answers of GrantItem and ConsumeItem, and of BatchGrantItems, as the request records keep them.
KEPT_ITEM = KeptAnswer(TypeAdapter(Item))
KEPT_ITEMS = KeptAnswer(TypeAdapter(list[Item]))
# The JSON of these is what a batch's query and a page token hold.
GRANTS = TypeAdapter(list[Grant])
POSITION = TypeAdapter(ItemPosition)
