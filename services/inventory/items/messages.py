"""Items as protobuf messages."""

from savepoint.inventory.v1 import inventory_pb2

from services.inventory.items.types import Item
from shared.contract import json_struct
from shared.contract.renumbered import renumbered
from shared.contract.times import timestamp

# Numbers of ItemGrant's fields, and those that GrantItemRequest had for them in 0.1, when it had no grant within it.
_NUMBERS_OF_0_1 = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6}


def item_message(item: Item, *, with_metadata: bool = True) -> inventory_pb2.Item:
    """The contract's Item; a batch's answer leaves metadata out."""
    return inventory_pb2.Item(
        player_id=str(item.player_id),
        item_type=item.item_type,
        item_id=item.item_id,
        quantity=item.quantity,
        metadata=json_struct.from_json(item.metadata) if with_metadata else None,
        acquired_at=timestamp(item.acquired_at),
        updated_at=timestamp(item.updated_at),
        etag=str(item.version),
    )


def content_of_0_1(request: inventory_pb2.GrantItemRequest) -> bytes:
    """What the fingerprint of a GrantItem is made of: its bytes as 0.1 numbered them."""
    request_id = inventory_pb2.GrantItemRequest(request_id=request.request_id)
    grant = request.grant.SerializeToString(deterministic=True)
    return request_id.SerializeToString() + renumbered(grant, _NUMBERS_OF_0_1)
