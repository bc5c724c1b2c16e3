"""ProfileService: requests checked and turned into the store's terms, its players turned into messages."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import Struct
from grpc import aio
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceServicer

from services.profile.messages import player_message
from services.profile.players import username
from services.profile.players.messages import batch_get_players_response, content_of_0_1, get_player_response
from services.profile.players.store import PlayerStore
from services.profile.players.types import POSITION, NewPlayer, PlayerChange, PlayerOrder, Progress
from shared.contract import fields, json_struct
from shared.contract.errors import FieldInvalid
from shared.contract.fields import INT32_MAX, INT64_MAX
from shared.contract.ids import new_id
from shared.contract.paging import Pages, fitting
from shared.stores.requests.key import RequestKey

Context = aio.ServicerContext[Any, Any]

ATTRIBUTES_BYTES = 16 * 1024
LARGEST_BATCH = 1000

_UPDATABLE = {"username", "email", "attributes", "mmr", "level", "xp"}
_ORDERS = {
    pb.PLAYER_ORDER_UNSPECIFIED: PlayerOrder.CREATED,
    pb.PLAYER_ORDER_MMR: PlayerOrder.MMR,
    pb.PLAYER_ORDER_LEVEL: PlayerOrder.LEVEL,
    pb.PLAYER_ORDER_CREATED: PlayerOrder.CREATED,
}


class ProfileServicer(ProfileServiceServicer):
    """The RPCs of ProfileService. Each says in the proto what it does and how it fails."""

    def __init__(self, store: PlayerStore) -> None:
        self._store = store

    async def CreatePlayer(self, request: pb.CreatePlayerRequest, context: Context) -> pb.CreatePlayerResponse:
        new = NewPlayer(
            player_id=fields.uuid(request.player_id, "player_id") if request.HasField("player_id") else new_id(),
            username=username.checked(request.username, "username"),
            email=_email(request.email, "email"),
            attributes=_attributes(request.attributes, "attributes"),
        )
        key = RequestKey.of(request, content_of_0_1) if request.HasField("request_id") else None
        return pb.CreatePlayerResponse(player=player_message(await self._store.create_player(new, key)))

    # The two that read most answer with bytes: what the store has of a player is its message.

    async def GetPlayer(self, request: pb.GetPlayerRequest, context: Context) -> bytes:  # type: ignore[override]
        return get_player_response(await self._store.get_player(fields.uuid_text(request.player_id, "player_id")))

    async def BatchGetPlayers(  # type: ignore[override]
        self, request: pb.BatchGetPlayersRequest, context: Context
    ) -> bytes:
        ids = _player_ids(request.player_ids)
        players = await self._store.batch_get_players(ids)
        existing = [i for i in ids if i in players]
        messages = fitting([players[i] for i in existing])
        return batch_get_players_response(messages, [i for i in ids if i not in players], existing[len(messages) :])

    async def LookupPlayer(self, request: pb.LookupPlayerRequest, context: Context) -> pb.LookupPlayerResponse:
        match request.WhichOneof("key"):
            case "username":
                player = await self._store.lookup_player(username=_known_name(request.username))
            case "email":
                player = await self._store.lookup_player(email=_email(request.email, "email"))
            case _:
                raise FieldInvalid("key", "must be a username or an email")
        return pb.LookupPlayerResponse(player=player_message(player))

    async def UpdatePlayer(self, request: pb.UpdatePlayerRequest, context: Context) -> pb.UpdatePlayerResponse:
        player = await self._store.update_player(_change(request))
        return pb.UpdatePlayerResponse(player=player_message(player))

    async def BatchApplyProgress(
        self, request: pb.BatchApplyProgressRequest, context: Context
    ) -> pb.BatchApplyProgressResponse:
        fields.count(request.changes, "changes", LARGEST_BATCH)
        changes = [
            Progress(
                player_id=fields.uuid(change.player_id, f"changes[{place}].player_id"),
                mmr_delta=change.mmr_delta,
                xp_delta=fields.integer(change.xp_delta, f"changes[{place}].xp_delta", 0, INT64_MAX),
            )
            for place, change in enumerate(request.changes)
        ]
        fields.unique([change.player_id for change in changes], "changes", "player_id")
        players = await self._store.batch_apply_progress(changes, RequestKey.of(request))
        return pb.BatchApplyProgressResponse(
            players=[player_message(player, with_attributes=False) for player in players]
        )

    async def RecordLogin(self, request: pb.RecordLoginRequest, context: Context) -> pb.RecordLoginResponse:
        player = await self._store.record_login(fields.uuid(request.player_id, "player_id"))
        return pb.RecordLoginResponse(player=player_message(player))

    async def ListPlayers(self, request: pb.ListPlayersRequest, context: Context) -> pb.ListPlayersResponse:
        if request.order not in _ORDERS:
            raise FieldInvalid("order", "must be one of PlayerOrder's values")
        order = _ORDERS[request.order]
        size = fields.page_size(request.page_size)
        low = fields.integer(request.min_mmr, "min_mmr", 0, INT32_MAX)
        high = fields.integer(request.max_mmr, "max_mmr", 0, INT32_MAX) if request.HasField("max_mmr") else INT32_MAX
        pages = Pages("ListPlayers", order.name, low, high)
        after = pages.key(request.page_token, POSITION)
        if after is not None and not order.holds(after):
            raise FieldInvalid("page_token", "must be the next_page_token of the page before")
        # One more than the page shows whether there is a next one.
        players = await self._store.list_players(order, low, high, after, size + 1)
        response = pb.ListPlayersResponse(players=fitting(map(player_message, players[:size])))
        if len(players) > (shown := len(response.players)):
            response.next_page_token = pages.token(order.position(players[shown - 1]), POSITION)
        return response

    async def DeletePlayer(self, request: pb.DeletePlayerRequest, context: Context) -> pb.DeletePlayerResponse:
        version = fields.etag(request.etag, "etag") if request.HasField("etag") else None
        await self._store.delete_player(fields.uuid(request.player_id, "player_id"), version)
        return pb.DeletePlayerResponse()


def _change(request: pb.UpdatePlayerRequest) -> PlayerChange:
    player, mask = request.player, set(request.update_mask.paths)
    if not mask:
        raise FieldInvalid("update_mask", f"must name at least one of {', '.join(sorted(_UPDATABLE))}")
    if unknown := sorted(mask - _UPDATABLE):
        raise FieldInvalid("update_mask", f"must not name {unknown[0]}; it takes {', '.join(sorted(_UPDATABLE))}")
    return PlayerChange(
        player_id=fields.uuid(player.player_id, "player.player_id"),
        version=fields.etag(player.etag, "player.etag") if player.HasField("etag") else None,
        username=username.checked(player.username, "player.username") if "username" in mask else None,
        email=_email(player.email, "player.email") if "email" in mask else None,
        attributes=_attributes(player.attributes, "player.attributes") if "attributes" in mask else None,
        mmr=fields.integer(player.mmr, "player.mmr", 0, INT32_MAX) if "mmr" in mask else None,
        level=fields.integer(player.level, "player.level", 1, INT32_MAX) if "level" in mask else None,
        xp=fields.integer(player.xp, "player.xp", 0, INT64_MAX) if "xp" in mask else None,
    )


def _player_ids(values: Iterable[str]) -> list[str]:
    ids = [fields.uuid_text(value, f"player_ids[{place}]") for place, value in enumerate(values)]
    fields.count(ids, "player_ids", LARGEST_BATCH)
    return ids


def _known_name(value: str) -> str:
    # Not checked by today's rules: names that an earlier release allowed must still be found, if only to be changed.
    return fields.text(value, "username", username.LONGEST)


def _email(value: str, field: str) -> str:
    fields.text(value, field, 254)
    name, at, host = value.rpartition("@")
    if not (name and at and host) or any(character.isspace() for character in value):
        raise FieldInvalid(field, "must be an email address, say someone@example.com")
    return value


def _attributes(value: Struct, field: str) -> str:
    return json_struct.to_json(value, field, ATTRIBUTES_BYTES)
