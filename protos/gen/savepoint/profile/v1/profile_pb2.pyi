import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlayerOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAYER_ORDER_UNSPECIFIED: _ClassVar[PlayerOrder]
    PLAYER_ORDER_MMR: _ClassVar[PlayerOrder]
    PLAYER_ORDER_LEVEL: _ClassVar[PlayerOrder]
    PLAYER_ORDER_CREATED: _ClassVar[PlayerOrder]
PLAYER_ORDER_UNSPECIFIED: PlayerOrder
PLAYER_ORDER_MMR: PlayerOrder
PLAYER_ORDER_LEVEL: PlayerOrder
PLAYER_ORDER_CREATED: PlayerOrder

class Player(_message.Message):
    __slots__ = ("player_id", "username", "email", "mmr", "level", "xp", "coins", "held_coins", "attributes", "created_at", "last_login_at", "etag")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    MMR_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    XP_FIELD_NUMBER: _ClassVar[int]
    COINS_FIELD_NUMBER: _ClassVar[int]
    HELD_COINS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_LOGIN_AT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    username: str
    email: str
    mmr: int
    level: int
    xp: int
    coins: int
    held_coins: int
    attributes: _struct_pb2.Struct
    created_at: _timestamp_pb2.Timestamp
    last_login_at: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, player_id: _Optional[str] = ..., username: _Optional[str] = ..., email: _Optional[str] = ..., mmr: _Optional[int] = ..., level: _Optional[int] = ..., xp: _Optional[int] = ..., coins: _Optional[int] = ..., held_coins: _Optional[int] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_login_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CreatePlayerRequest(_message.Message):
    __slots__ = ("request_id", "username", "email", "player_id", "attributes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    username: str
    email: str
    player_id: str
    attributes: _struct_pb2.Struct
    def __init__(self, request_id: _Optional[str] = ..., username: _Optional[str] = ..., email: _Optional[str] = ..., player_id: _Optional[str] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class CreatePlayerResponse(_message.Message):
    __slots__ = ("player",)
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    player: Player
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ...) -> None: ...

class GetPlayerRequest(_message.Message):
    __slots__ = ("player_id",)
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    def __init__(self, player_id: _Optional[str] = ...) -> None: ...

class GetPlayerResponse(_message.Message):
    __slots__ = ("player",)
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    player: Player
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ...) -> None: ...

class BatchGetPlayersRequest(_message.Message):
    __slots__ = ("player_ids",)
    PLAYER_IDS_FIELD_NUMBER: _ClassVar[int]
    player_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, player_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetPlayersResponse(_message.Message):
    __slots__ = ("players", "missing_player_ids", "unread_player_ids")
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    MISSING_PLAYER_IDS_FIELD_NUMBER: _ClassVar[int]
    UNREAD_PLAYER_IDS_FIELD_NUMBER: _ClassVar[int]
    players: _containers.RepeatedCompositeFieldContainer[Player]
    missing_player_ids: _containers.RepeatedScalarFieldContainer[str]
    unread_player_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, players: _Optional[_Iterable[_Union[Player, _Mapping]]] = ..., missing_player_ids: _Optional[_Iterable[str]] = ..., unread_player_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class LookupPlayerRequest(_message.Message):
    __slots__ = ("username", "email")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    username: str
    email: str
    def __init__(self, username: _Optional[str] = ..., email: _Optional[str] = ...) -> None: ...

class LookupPlayerResponse(_message.Message):
    __slots__ = ("player",)
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    player: Player
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ...) -> None: ...

class UpdatePlayerRequest(_message.Message):
    __slots__ = ("player", "update_mask")
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    player: Player
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdatePlayerResponse(_message.Message):
    __slots__ = ("player",)
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    player: Player
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ...) -> None: ...

class ProgressChange(_message.Message):
    __slots__ = ("player_id", "mmr_delta", "xp_delta")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    MMR_DELTA_FIELD_NUMBER: _ClassVar[int]
    XP_DELTA_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    mmr_delta: int
    xp_delta: int
    def __init__(self, player_id: _Optional[str] = ..., mmr_delta: _Optional[int] = ..., xp_delta: _Optional[int] = ...) -> None: ...

class BatchApplyProgressRequest(_message.Message):
    __slots__ = ("request_id", "changes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    changes: _containers.RepeatedCompositeFieldContainer[ProgressChange]
    def __init__(self, request_id: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[ProgressChange, _Mapping]]] = ...) -> None: ...

class BatchApplyProgressResponse(_message.Message):
    __slots__ = ("players",)
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    players: _containers.RepeatedCompositeFieldContainer[Player]
    def __init__(self, players: _Optional[_Iterable[_Union[Player, _Mapping]]] = ...) -> None: ...

class RecordLoginRequest(_message.Message):
    __slots__ = ("player_id",)
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    def __init__(self, player_id: _Optional[str] = ...) -> None: ...

class RecordLoginResponse(_message.Message):
    __slots__ = ("player",)
    PLAYER_FIELD_NUMBER: _ClassVar[int]
    player: Player
    def __init__(self, player: _Optional[_Union[Player, _Mapping]] = ...) -> None: ...

class ListPlayersRequest(_message.Message):
    __slots__ = ("order", "min_mmr", "max_mmr", "page_size", "page_token")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    MIN_MMR_FIELD_NUMBER: _ClassVar[int]
    MAX_MMR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    order: PlayerOrder
    min_mmr: int
    max_mmr: int
    page_size: int
    page_token: str
    def __init__(self, order: _Optional[_Union[PlayerOrder, str]] = ..., min_mmr: _Optional[int] = ..., max_mmr: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPlayersResponse(_message.Message):
    __slots__ = ("players", "next_page_token")
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    players: _containers.RepeatedCompositeFieldContainer[Player]
    next_page_token: str
    def __init__(self, players: _Optional[_Iterable[_Union[Player, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeletePlayerRequest(_message.Message):
    __slots__ = ("player_id", "etag")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    etag: str
    def __init__(self, player_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeletePlayerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
