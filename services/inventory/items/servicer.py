"""InventoryService: requests checked and turned into the store's terms, its items turned into messages."""

from typing import Any

from grpc import aio
from savepoint.inventory.v1 import inventory_pb2 as pb
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceServicer

from services.inventory.items.messages import content_of_0_1, item_message
from services.inventory.items.store import ItemStore
from services.inventory.items.types import POSITION, Grant, ItemKey, ItemPosition
from shared.contract import fields, json_struct
from shared.contract.fields import INT64_MAX
from shared.contract.paging import Pages, fitting
from shared.stores.requests.key import RequestKey

Context = aio.ServicerContext[Any, Any]

LONGEST_ITEM_TYPE = 50
LONGEST_ITEM_ID = 100
METADATA_BYTES = 64 * 1024
LARGEST_BATCH = 500


class InventoryServicer(InventoryServiceServicer):
    """The RPCs of InventoryService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store

    async def GrantItem(self, request: pb.GrantItemRequest, context: Context) -> pb.GrantItemResponse:
        key = RequestKey.of(request, content_of_0_1)
        fields.required(request, "grant")
        return pb.GrantItemResponse(
            item=item_message(await self._store.grant_item(_grant(request.grant, "grant."), key))
        )

    async def BatchGrantItems(self, request: pb.BatchGrantItemsRequest, context: Context) -> pb.BatchGrantItemsResponse:
        key = RequestKey.of(request)
        fields.count(request.grants, "grants", LARGEST_BATCH)
        grants = [_grant(grant, f"grants[{place}].") for place, grant in enumerate(request.grants)]
        items = await self._store.batch_grant_items(grants, key)
        return pb.BatchGrantItemsResponse(items=[item_message(item, with_metadata=False) for item in items])

    async def ConsumeItem(self, request: pb.ConsumeItemRequest, context: Context) -> pb.ConsumeItemResponse:
        key = RequestKey.of(request)
        quantity = fields.integer(request.quantity, "quantity", 1, INT64_MAX)
        return pb.ConsumeItemResponse(
            item=item_message(await self._store.consume_item(_item_key(request), quantity, key))
        )

    async def GetItem(self, request: pb.GetItemRequest, context: Context) -> pb.GetItemResponse:
        return pb.GetItemResponse(item=item_message(await self._store.get_item(_item_key(request))))

    async def ListItems(self, request: pb.ListItemsRequest, context: Context) -> pb.ListItemsResponse:
        player_id = fields.uuid(request.player_id, "player_id")
        item_type = (
            fields.text(request.item_type, "item_type", LONGEST_ITEM_TYPE) if request.HasField("item_type") else None
        )
        size = fields.page_size(request.page_size)
        pages = Pages("ListItems", player_id, item_type)
        page = await self._store.list_items(player_id, item_type, pages.key(request.page_token, POSITION), size)
        response = pb.ListItemsResponse(items=fitting(map(item_message, page.items)))
        shown = len(response.items)
        if page.more or shown < len(page.items):
            last = page.items[shown - 1]
            response.next_page_token = pages.token(ItemPosition(last.item_type, last.item_id), POSITION)
        return response

    async def UpdateItemMetadata(
        self, request: pb.UpdateItemMetadataRequest, context: Context
    ) -> pb.UpdateItemMetadataResponse:
        metadata = json_struct.to_json(request.metadata, "metadata", METADATA_BYTES)
        version = fields.etag(request.etag, "etag") if request.HasField("etag") else None
        item = await self._store.update_item_metadata(_item_key(request), metadata, version)
        return pb.UpdateItemMetadataResponse(item=item_message(item))


def _grant(grant: pb.ItemGrant, path: str) -> Grant:
    metadata = grant.metadata if grant.HasField("metadata") else None
    return Grant(
        player_id=fields.uuid(grant.player_id, f"{path}player_id"),
        item_type=fields.text(grant.item_type, f"{path}item_type", LONGEST_ITEM_TYPE),
        item_id=fields.text(grant.item_id, f"{path}item_id", LONGEST_ITEM_ID),
        quantity=fields.integer(grant.quantity, f"{path}quantity", 1, INT64_MAX),
        metadata=None if metadata is None else json_struct.to_json(metadata, f"{path}metadata", METADATA_BYTES),
    )


def _item_key(request: pb.ConsumeItemRequest | pb.GetItemRequest | pb.UpdateItemMetadataRequest) -> ItemKey:
    return ItemKey(
        player_id=fields.uuid(request.player_id, "player_id"),
        item_type=fields.text(request.item_type, "item_type", LONGEST_ITEM_TYPE),
        item_id=fields.text(request.item_id, "item_id", LONGEST_ITEM_ID),
    )
