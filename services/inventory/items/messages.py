"""Items as protobuf messages."""

from savepoint.inventory.v1 import inventory_pb2

from services.inventory.items.types import Item
from shared.contract import json_struct


def item_message(item: Item, *, with_metadata: bool = True) -> inventory_pb2.Item:
    """The contract's Item; a batch's answer leaves metadata out."""
    return inventory_pb2.Item(
        player_id=str(item.player_id),
        item_type=item.item_type,
        item_id=item.item_id,
        quantity=item.quantity,
        metadata=json_struct.from_json(item.metadata) if with_metadata else None,
        acquired_at=item.acquired_at,
        updated_at=item.updated_at,
        etag=str(item.version),
    )
