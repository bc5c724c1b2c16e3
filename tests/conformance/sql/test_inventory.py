"""Items: what is granted adds up, what is consumed is gone, and each of it happens once."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from savepoint.inventory.v1 import inventory_pb2 as pb
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub

from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service, running

if TYPE_CHECKING:
    from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceAsyncStub

Items: TypeAlias = "InventoryServiceAsyncStub"
# Requests, each with the RPC it is for.
Writes: TypeAlias = list[tuple[Any, Callable[[Any], Any]]]

INT64_MAX = 2**63 - 1


@pytest.fixture
def items(inventory: Service) -> Items:
    return InventoryServiceStub(inventory.channel)


@pytest.fixture
async def player(players: Players) -> str:
    [player_id] = await players(1)
    return player_id


def struct(values: Mapping[str, Any]) -> Struct:
    made = Struct()
    made.update(values)
    return made


def grant(
    player: str, item_id: str = "sword", quantity: int = 1, metadata: Struct | None = None
) -> pb.GrantItemRequest:
    return pb.GrantItemRequest(
        request_id=str(uuid.uuid4()),
        grant=pb.ItemGrant(player_id=player, item_type="weapon", item_id=item_id, quantity=quantity, metadata=metadata),
    )


def batch(*grants: tuple[str, str, int]) -> pb.BatchGrantItemsRequest:
    return pb.BatchGrantItemsRequest(
        request_id=str(uuid.uuid4()),
        grants=[
            pb.ItemGrant(player_id=player, item_type="weapon", item_id=item_id, quantity=quantity)
            for player, item_id, quantity in grants
        ],
    )


def consume(player: str, item_id: str = "sword", quantity: int = 1) -> pb.ConsumeItemRequest:
    return pb.ConsumeItemRequest(
        request_id=str(uuid.uuid4()), player_id=player, item_type="weapon", item_id=item_id, quantity=quantity
    )


def get(player: str, item_id: str = "sword") -> pb.GetItemRequest:
    return pb.GetItemRequest(player_id=player, item_type="weapon", item_id=item_id)


async def owned(items: Items, player: str) -> dict[str, int]:
    response = await items.ListItems(pb.ListItemsRequest(player_id=player, page_size=1000))
    return {item.item_id: item.quantity for item in response.items}


async def test_what_is_granted_again_adds_up(items: Items, player: str) -> None:
    first = (await items.GrantItem(grant(player, quantity=2, metadata=struct({"level": 1})))).item
    second = (await items.GrantItem(grant(player, quantity=3))).item
    assert (first.quantity, second.quantity) == (2, 5)
    assert second.metadata["level"] == 1
    assert second.acquired_at == first.acquired_at
    assert second.etag != first.etag
    assert (await items.GetItem(get(player))).item == second


async def test_metadata_that_is_set_replaces_and_may_be_empty(items: Items, player: str) -> None:
    await items.GrantItem(grant(player, metadata=struct({"level": 1, "gems": ["ruby", None, 2.5, {"cut": True}]})))
    assert dict((await items.GrantItem(grant(player, metadata=struct({"level": 2})))).item.metadata) == {"level": 2}
    assert dict((await items.GrantItem(grant(player, metadata=Struct()))).item.metadata) == {}


async def test_the_last_one_consumed_removes_the_item(items: Items, player: str) -> None:
    await items.GrantItem(grant(player, quantity=3, metadata=struct({"level": 7})))
    assert (await items.ConsumeItem(consume(player, quantity=2))).item.quantity == 1
    last = (await items.ConsumeItem(consume(player))).item
    assert last.quantity == 0
    assert last.metadata["level"] == 7
    assert (await failure(items.GetItem(get(player)))).reason == "ITEM_NOT_FOUND"
    again = (await items.GrantItem(grant(player))).item
    assert dict(again.metadata) == {}
    assert int(again.etag) > int(last.etag)


async def test_nobody_consumes_more_than_there_is(items: Items, player: str) -> None:
    await items.GrantItem(grant(player, quantity=3))
    refused = await failure(items.ConsumeItem(consume(player, quantity=4)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INSUFFICIENT_QUANTITY")
    assert (refused.metadata["have"], refused.metadata["need"]) == ("3", "4")
    none = await failure(items.ConsumeItem(consume(player, "shield")))
    assert (none.reason, none.metadata["have"]) == ("INSUFFICIENT_QUANTITY", "0")
    assert await owned(items, player) == {"sword": 3}


async def test_64_callers_consume_exactly_what_there_is(items: Items, player: str) -> None:
    await items.GrantItem(grant(player, quantity=40))
    outcomes = await asyncio.gather(*(items.ConsumeItem(consume(player)) for _ in range(64)), return_exceptions=True)
    left = sorted(outcome.item.quantity for outcome in outcomes if isinstance(outcome, pb.ConsumeItemResponse))
    assert left == list(range(40))
    refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert {error.code() for error in refused} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert await owned(items, player) == {}


async def test_a_replay_is_answered_alike_to_the_byte(items: Items, player: str) -> None:
    metadata = struct({name: name for name in "abcdefgh"})
    writes: Writes = [
        (grant(player, quantity=5, metadata=metadata), items.GrantItem),
        (batch((player, "sword", 2), (player, "bow", 1)), items.BatchGrantItems),
        (consume(player, quantity=3), items.ConsumeItem),
    ]
    for request, call in writes:
        first = await call(request)
        await items.GrantItem(grant(player))
        replay = await call(request)
        assert replay.SerializeToString() == first.SerializeToString()
    assert await owned(items, player) == {"sword": 5 + 2 - 3 + 3, "bow": 1}


async def test_a_consume_that_took_the_last_one_can_be_replayed(items: Items, player: str) -> None:
    await items.GrantItem(grant(player))
    request = consume(player)
    assert await items.ConsumeItem(request) == await items.ConsumeItem(request)


async def test_a_request_id_serves_one_request_only(items: Items, player: str) -> None:
    request = grant(player)
    await items.GrantItem(request)
    request.grant.quantity = 2
    refused = await failure(items.GrantItem(request))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    other_method = consume(player)
    other_method.request_id = request.request_id
    assert (await failure(items.ConsumeItem(other_method))).reason == "REQUEST_ID_REUSED"
    assert await owned(items, player) == {"sword": 1}


async def test_32_concurrent_identical_requests_take_effect_once(items: Items, player: str) -> None:
    writes: Writes = [
        (grant(player, quantity=7), items.GrantItem),
        (batch((player, "sword", 2), (player, "bow", 1)), items.BatchGrantItems),
        (consume(player, quantity=9), items.ConsumeItem),
    ]
    for request, call in writes:
        answers = await asyncio.gather(*(call(request) for _ in range(32)))
        assert len({answer.SerializeToString() for answer in answers}) == 1
    assert await owned(items, player) == {"bow": 1}


async def test_a_batch_adds_up_and_answers_in_its_order(items: Items, players: Players) -> None:
    one, two = await players(2)
    request = batch((two, "bow", 1), (one, "sword", 2), (two, "bow", 4), (one, "axe", 1))
    request.grants[0].metadata.update({"from": "first"})
    request.grants[2].metadata.update({"from": "last"})
    answer = (await items.BatchGrantItems(request)).items
    assert [(item.player_id, item.item_id, item.quantity) for item in answer] == [
        (two, "bow", 5),
        (one, "sword", 2),
        (two, "bow", 5),
        (one, "axe", 1),
    ]
    assert (await items.GetItem(get(two, "bow"))).item.metadata["from"] == "last"
    # None leaves what there is.
    await items.BatchGrantItems(batch((two, "bow", 1)))
    assert (await items.GetItem(get(two, "bow"))).item.metadata["from"] == "last"


async def test_a_batch_takes_effect_as_a_whole_or_not_at_all(items: Items, player: str) -> None:
    await items.GrantItem(grant(player, "full", INT64_MAX))
    refused = await failure(items.BatchGrantItems(batch((player, "sword", 1), (player, "full", 1))))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "QUANTITY_LIMIT")
    stranger = str(uuid.uuid4())
    unknown = await failure(items.BatchGrantItems(batch((player, "sword", 1), (stranger, "sword", 1))))
    assert (unknown.reason, unknown.metadata["player_id"]) == ("PLAYER_NOT_FOUND", stranger)
    invalid = await failure(items.BatchGrantItems(batch((player, "sword", 1), (player, "bow", 0))))
    assert invalid.field == "grants[1].quantity"
    assert await owned(items, player) == {"full": INT64_MAX}


async def test_the_sum_of_a_batch_may_not_overflow_either(items: Items, player: str) -> None:
    refused = await failure(items.BatchGrantItems(batch((player, "sword", INT64_MAX), (player, "sword", 1))))
    assert refused.reason == "QUANTITY_LIMIT"
    assert await owned(items, player) == {}


async def test_opposed_batches_do_not_deadlock(items: Items, players: Players) -> None:
    ids = await players(8)
    there = [(player, item_id, 1) for player in ids for item_id in ("axe", "bow", "sword")]
    requests = [batch(*(there if number % 2 else reversed(there))) for number in range(60)]
    await asyncio.gather(*(items.BatchGrantItems(request) for request in requests))
    for player in ids:
        assert await owned(items, player) == {"axe": 60, "bow": 60, "sword": 60}


async def test_500_grants_to_many_players_are_one_call(items: Items, players: Players) -> None:
    ids = await players(20)
    request = batch(*((ids[number % 20], f"item-{number // 20}", number + 1) for number in range(500)))
    assert [item.quantity for item in (await items.BatchGrantItems(request)).items] == list(range(1, 501))
    request.request_id = str(uuid.uuid4())
    request.grants.append(request.grants[0])
    assert (await failure(items.BatchGrantItems(request))).field == "grants"


async def test_a_player_whom_profile_does_not_know_gets_nothing(items: Items, players: Players) -> None:
    stranger = str(uuid.uuid4())
    refused = await failure(items.GrantItem(grant(stranger)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PLAYER_NOT_FOUND")
    assert refused.metadata["player_id"] == stranger
    assert await owned(items, stranger) == {}


async def test_known_players_need_no_profile_service(
    inventory: Service, players: Players, tmp_path_factory: pytest.TempPathFactory, items: Items
) -> None:
    known, unknown = await players(2)
    await items.GrantItem(grant(known))
    environment = {**inventory.environment, "PROFILE_TARGET": "127.0.0.1:1"}
    async with running("inventory", environment, tmp_path_factory.mktemp("alone")) as alone:
        lonely: Items = InventoryServiceStub(alone.channel)
        assert (await lonely.GrantItem(grant(known))).item.quantity == 2
        refused = await failure(lonely.GrantItem(grant(unknown)))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
        assert refused.metadata["service"] == "profile"
        assert refused.retry_after_s is not None
    assert (await items.GrantItem(grant(unknown))).item.quantity == 1


async def test_pages_are_complete_in_order_and_without_repeats(items: Items, player: str) -> None:
    names = [f"{letter}{number}" for letter in "bZaé" for number in range(9)]
    requests = batch(*((player, name, 1) for name in names))
    for place, given in enumerate(requests.grants):
        given.item_type = ("armor", "weapon")[place % 2]
    await items.BatchGrantItems(requests)
    expected = sorted((given.item_type.encode(), given.item_id.encode()) for given in requests.grants)
    for item_type in (None, "armor", "weapon"):
        listed, token = [], ""
        while True:
            page = await items.ListItems(
                pb.ListItemsRequest(player_id=player, item_type=item_type, page_size=7, page_token=token)
            )
            assert len(page.items) <= 7
            listed += [(item.item_type.encode(), item.item_id.encode()) for item in page.items]
            token = page.next_page_token
            if not token:
                break
        assert listed == [key for key in expected if item_type is None or key[0] == item_type.encode()]
        whole = await items.ListItems(pb.ListItemsRequest(player_id=player, item_type=item_type, page_size=len(listed)))
        assert (len(whole.items), whole.next_page_token) == (len(listed), "")


async def test_a_page_of_large_items_ends_before_it_is_too_large_to_receive(items: Items, player: str) -> None:
    large = struct({"text": "x" * 60_000})
    for number in range(60):
        await items.GrantItem(grant(player, f"item-{number:02}", metadata=large))
    listed, token = [], ""
    while True:
        page = await items.ListItems(pb.ListItemsRequest(player_id=player, page_token=token))
        listed += [item.item_id for item in page.items]
        token = page.next_page_token
        if not token:
            break
    assert listed == [f"item-{number:02}" for number in range(60)]


async def test_a_page_token_is_of_its_list_only(items: Items, players: Players) -> None:
    one, two = await players(2)
    await items.BatchGrantItems(batch((one, "axe", 1), (one, "bow", 1)))
    token = (await items.ListItems(pb.ListItemsRequest(player_id=one, page_size=1))).next_page_token
    for forged in (
        pb.ListItemsRequest(player_id=two, page_token=token),
        pb.ListItemsRequest(player_id=one, item_type="weapon", page_token=token),
        pb.ListItemsRequest(player_id=one, page_token="AAAA" + token),
        pb.ListItemsRequest(player_id=one, page_token="é"),
    ):
        assert (await failure(items.ListItems(forged))).field == "page_token"
    assert (await failure(items.ListItems(pb.ListItemsRequest(player_id=one, page_size=-1)))).field == "page_size"
    assert len((await items.ListItems(pb.ListItemsRequest(player_id=one, page_size=10**9))).items) == 2


async def test_metadata_is_replaced_unless_the_etag_is_stale(items: Items, player: str) -> None:
    request = pb.UpdateItemMetadataRequest(player_id=player, item_type="weapon", item_id="sword")
    request.metadata.update({"level": 1})
    missing = await failure(items.UpdateItemMetadata(request))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND")
    etag = (await items.GrantItem(grant(player))).item.etag
    request.etag = etag
    updated = (await items.UpdateItemMetadata(request)).item
    assert updated.metadata["level"] == 1
    stale = await failure(items.UpdateItemMetadata(request))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert stale.metadata["current_etag"] == updated.etag
    request.ClearField("etag")
    request.ClearField("metadata")
    assert dict((await items.UpdateItemMetadata(request)).item.metadata) == {}


async def test_metadata_takes_64_kib_as_json(items: Items, player: str) -> None:
    room = 64 * 1024 - len('{"t":""}')
    fits = struct({"t": "x" * room})
    assert (await items.GrantItem(grant(player, metadata=fits))).item.metadata == fits
    refused = await failure(items.GrantItem(grant(player, metadata=struct({"t": "x" * (room + 1)}))))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, "grant.metadata")


@pytest.mark.parametrize("value", [1e308, -1e-308, 5e-324, -0.0, 2.0**53, 0.1])
async def test_metadata_gives_back_every_number_a_double_holds(items: Items, player: str, value: float) -> None:
    item = (await items.GrantItem(grant(player, metadata=struct({"n": value})))).item
    assert item.metadata["n"] == value
    assert (await items.GetItem(get(player))).item == item


def _owner(request: Any, field: str) -> tuple[Any, str]:
    """The message that has the field, and the field's path: a grant stands in its request."""
    if field != "request_id" and isinstance(request, pb.GrantItemRequest):
        return request.grant, f"grant.{field}"
    return request, field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_id", ""),
        ("request_id", "no-uuid"),
        ("player_id", ""),
        ("player_id", "'; DROP TABLE inventory; --"),
        ("item_type", ""),
        ("item_type", "x" * 51),
        ("item_type", "nul\0"),
        ("item_id", ""),
        ("item_id", "x" * 101),
        ("item_id", " padded "),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", -(2**63)),
    ],
)
async def test_a_field_that_cannot_be_is_named(items: Items, player: str, field: str, value: Any) -> None:
    writes: Writes = [(grant(player), items.GrantItem), (consume(player), items.ConsumeItem)]
    for request, call in writes:
        owner, path = _owner(request, field)
        setattr(owner, field, value)
        refused = await failure(call(request))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
        assert refused.field == path
    assert await owned(items, player) == {}


@pytest.mark.parametrize("values", [{"n": float("nan")}, {"n": [float("inf")]}, {"t": "\0"}, {"\0": 1}])
async def test_metadata_that_json_cannot_hold_is_refused(items: Items, player: str, values: dict[str, Any]) -> None:
    assert (await failure(items.GrantItem(grant(player, metadata=struct(values))))).reason == "FIELD_INVALID"
    assert await owned(items, player) == {}


async def test_names_may_be_of_any_script_and_length_counts_characters(items: Items, player: str) -> None:
    name = "剣𝕏é'; DROP TABLE inventory; --".ljust(100, "界")
    assert (await items.GrantItem(grant(player, name))).item.item_id == name
    assert (await items.GetItem(get(player, name))).item.quantity == 1


async def test_profile_is_asked_once_for_a_player(items: Items, profile: Service, player: str) -> None:
    before = await asked(profile)
    await asyncio.gather(*(items.GrantItem(grant(player, f"item-{number}")) for number in range(32)))
    await items.BatchGrantItems(batch((player, "axe", 1), (player, "bow", 1)))
    assert await asked(profile) == before + 1


async def asked(profile: Service) -> float:
    """How many BatchGetPlayers calls the profile service has had."""
    lines = (await profile.scrape()).splitlines()
    counts = [
        line for line in lines if line.startswith("rpc_server_duration_seconds_count") and "BatchGetPlayers" in line
    ]
    return sum(float(line.rsplit(" ", 1)[1]) for line in counts)
