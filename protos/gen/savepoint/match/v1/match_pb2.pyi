import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MatchState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MATCH_STATE_UNSPECIFIED: _ClassVar[MatchState]
    MATCH_STATE_IN_PROGRESS: _ClassVar[MatchState]
    MATCH_STATE_FINISHED: _ClassVar[MatchState]
MATCH_STATE_UNSPECIFIED: MatchState
MATCH_STATE_IN_PROGRESS: MatchState
MATCH_STATE_FINISHED: MatchState

class Match(_message.Message):
    __slots__ = ("match_id", "game_mode", "state", "started_at", "ended_at", "winner_team", "players", "metadata")
    MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_MODE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    WINNER_TEAM_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    match_id: str
    game_mode: str
    state: MatchState
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    winner_team: int
    players: _containers.RepeatedCompositeFieldContainer[MatchPlayer]
    metadata: _struct_pb2.Struct
    def __init__(self, match_id: _Optional[str] = ..., game_mode: _Optional[str] = ..., state: _Optional[_Union[MatchState, str]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., winner_team: _Optional[int] = ..., players: _Optional[_Iterable[_Union[MatchPlayer, _Mapping]]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class MatchPlayer(_message.Message):
    __slots__ = ("player_id", "team", "score", "kills", "deaths", "mmr_change", "xp_gained")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    KILLS_FIELD_NUMBER: _ClassVar[int]
    DEATHS_FIELD_NUMBER: _ClassVar[int]
    MMR_CHANGE_FIELD_NUMBER: _ClassVar[int]
    XP_GAINED_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    team: int
    score: int
    kills: int
    deaths: int
    mmr_change: int
    xp_gained: int
    def __init__(self, player_id: _Optional[str] = ..., team: _Optional[int] = ..., score: _Optional[int] = ..., kills: _Optional[int] = ..., deaths: _Optional[int] = ..., mmr_change: _Optional[int] = ..., xp_gained: _Optional[int] = ...) -> None: ...

class MatchParticipant(_message.Message):
    __slots__ = ("player_id", "team")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    team: int
    def __init__(self, player_id: _Optional[str] = ..., team: _Optional[int] = ...) -> None: ...

class PlayerResult(_message.Message):
    __slots__ = ("player_id", "team", "score", "kills", "deaths", "mmr_change", "xp_gained")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    KILLS_FIELD_NUMBER: _ClassVar[int]
    DEATHS_FIELD_NUMBER: _ClassVar[int]
    MMR_CHANGE_FIELD_NUMBER: _ClassVar[int]
    XP_GAINED_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    team: int
    score: int
    kills: int
    deaths: int
    mmr_change: int
    xp_gained: int
    def __init__(self, player_id: _Optional[str] = ..., team: _Optional[int] = ..., score: _Optional[int] = ..., kills: _Optional[int] = ..., deaths: _Optional[int] = ..., mmr_change: _Optional[int] = ..., xp_gained: _Optional[int] = ...) -> None: ...

class StartMatchRequest(_message.Message):
    __slots__ = ("request_id", "game_mode", "participants", "started_at", "metadata")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_MODE_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    game_mode: str
    participants: _containers.RepeatedCompositeFieldContainer[MatchParticipant]
    started_at: _timestamp_pb2.Timestamp
    metadata: _struct_pb2.Struct
    def __init__(self, request_id: _Optional[str] = ..., game_mode: _Optional[str] = ..., participants: _Optional[_Iterable[_Union[MatchParticipant, _Mapping]]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class StartMatchResponse(_message.Message):
    __slots__ = ("match",)
    MATCH_FIELD_NUMBER: _ClassVar[int]
    match: Match
    def __init__(self, match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class FinishMatchRequest(_message.Message):
    __slots__ = ("request_id", "match_id", "winner_team", "results", "ended_at")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    WINNER_TEAM_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    match_id: str
    winner_team: int
    results: _containers.RepeatedCompositeFieldContainer[PlayerResult]
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, request_id: _Optional[str] = ..., match_id: _Optional[str] = ..., winner_team: _Optional[int] = ..., results: _Optional[_Iterable[_Union[PlayerResult, _Mapping]]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FinishMatchResponse(_message.Message):
    __slots__ = ("match",)
    MATCH_FIELD_NUMBER: _ClassVar[int]
    match: Match
    def __init__(self, match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class RecordMatchRequest(_message.Message):
    __slots__ = ("request_id", "match")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    match: Match
    def __init__(self, request_id: _Optional[str] = ..., match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class RecordMatchResponse(_message.Message):
    __slots__ = ("match",)
    MATCH_FIELD_NUMBER: _ClassVar[int]
    match: Match
    def __init__(self, match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class GetMatchRequest(_message.Message):
    __slots__ = ("match_id",)
    MATCH_ID_FIELD_NUMBER: _ClassVar[int]
    match_id: str
    def __init__(self, match_id: _Optional[str] = ...) -> None: ...

class GetMatchResponse(_message.Message):
    __slots__ = ("match",)
    MATCH_FIELD_NUMBER: _ClassVar[int]
    match: Match
    def __init__(self, match: _Optional[_Union[Match, _Mapping]] = ...) -> None: ...

class ListMatchesRequest(_message.Message):
    __slots__ = ("player_id", "game_mode", "page_size", "page_token")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_MODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    game_mode: str
    page_size: int
    page_token: str
    def __init__(self, player_id: _Optional[str] = ..., game_mode: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListMatchesResponse(_message.Message):
    __slots__ = ("matches", "next_page_token")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    next_page_token: str
    def __init__(self, matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
