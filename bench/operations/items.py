"""Calls of the inventory service about items."""

import random

from savepoint.inventory.v1 import inventory_pb2

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.operations.picks import MOST, some
from bench.seed import Seed

_ITEMS = "/savepoint.inventory.v1.InventoryService/"
# What an item of a list takes at least: its player's id, its own, a quantity, two times, an etag.
_ITEM_BYTES = 60


def grant_item(seed: Seed, most: int = MOST) -> Operation:
    """One more of an item for a player, each call under a request id of its own."""
    requests = []
    for player_id in some(seed.player_ids, most):
        item_type, item_id = _an_item(seed)
        grant = inventory_pb2.ItemGrant(player_id=player_id, item_type=item_type, item_id=item_id, quantity=1)
        request = inventory_pb2.GrantItemRequest(request_id=ANY_UUID, grant=grant)
        requests.append(Request(request.SerializeToString(), player_id.encode()))
    return Operation("GrantItem", _ITEMS + "GrantItem", requests)


def consume_item(seed: Seed, most: int = MOST) -> Operation:
    """One of an item that its player has many of."""
    requests = []
    for player_id in some(seed.player_ids, most):
        item_type, item_id = _an_item(seed)
        request = inventory_pb2.ConsumeItemRequest(
            request_id=ANY_UUID, player_id=player_id, item_type=item_type, item_id=item_id, quantity=1
        )
        requests.append(Request(request.SerializeToString(), player_id.encode()))
    return Operation("ConsumeItem", _ITEMS + "ConsumeItem", requests)


def list_items(seed: Seed, most: int = MOST, size: int = 20) -> Operation:
    """A page of a player's items."""
    requests = [
        Request(
            inventory_pb2.ListItemsRequest(player_id=player_id, page_size=size).SerializeToString(), player_id.encode()
        )
        for player_id in some(seed.player_ids, most)
    ]
    return Operation("ListItems", _ITEMS + "ListItems", requests, least_bytes=size * _ITEM_BYTES)


def _an_item(seed: Seed) -> tuple[str, str]:
    return random.choice(seed.items) if seed.items else ("bench", "potion")
