import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Leaderboard(_message.Message):
    __slots__ = ("leaderboard_id", "entry_count", "created_at")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    entry_count: int
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, leaderboard_id: _Optional[str] = ..., entry_count: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("entry_id", "score", "subscore", "rank", "metadata", "updated_at", "rank_is_estimate", "rank_error")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SUBSCORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    RANK_IS_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    RANK_ERROR_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    score: int
    subscore: int
    rank: int
    metadata: _struct_pb2.Struct
    updated_at: _timestamp_pb2.Timestamp
    rank_is_estimate: bool
    rank_error: int
    def __init__(self, entry_id: _Optional[str] = ..., score: _Optional[int] = ..., subscore: _Optional[int] = ..., rank: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rank_is_estimate: _Optional[bool] = ..., rank_error: _Optional[int] = ...) -> None: ...

class CreateLeaderboardRequest(_message.Message):
    __slots__ = ("leaderboard",)
    LEADERBOARD_FIELD_NUMBER: _ClassVar[int]
    leaderboard: Leaderboard
    def __init__(self, leaderboard: _Optional[_Union[Leaderboard, _Mapping]] = ...) -> None: ...

class CreateLeaderboardResponse(_message.Message):
    __slots__ = ("leaderboard",)
    LEADERBOARD_FIELD_NUMBER: _ClassVar[int]
    leaderboard: Leaderboard
    def __init__(self, leaderboard: _Optional[_Union[Leaderboard, _Mapping]] = ...) -> None: ...

class GetLeaderboardRequest(_message.Message):
    __slots__ = ("leaderboard_id",)
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    def __init__(self, leaderboard_id: _Optional[str] = ...) -> None: ...

class GetLeaderboardResponse(_message.Message):
    __slots__ = ("leaderboard",)
    LEADERBOARD_FIELD_NUMBER: _ClassVar[int]
    leaderboard: Leaderboard
    def __init__(self, leaderboard: _Optional[_Union[Leaderboard, _Mapping]] = ...) -> None: ...

class DeleteLeaderboardRequest(_message.Message):
    __slots__ = ("leaderboard_id",)
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    def __init__(self, leaderboard_id: _Optional[str] = ...) -> None: ...

class DeleteLeaderboardResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ScoreSubmission(_message.Message):
    __slots__ = ("leaderboard_id", "entry_id", "score", "subscore", "metadata")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SUBSCORE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    entry_id: str
    score: int
    subscore: int
    metadata: _struct_pb2.Struct
    def __init__(self, leaderboard_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., score: _Optional[int] = ..., subscore: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class SubmitScoreRequest(_message.Message):
    __slots__ = ("request_id", "submission")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SUBMISSION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    submission: ScoreSubmission
    def __init__(self, request_id: _Optional[str] = ..., submission: _Optional[_Union[ScoreSubmission, _Mapping]] = ...) -> None: ...

class SubmitScoreResponse(_message.Message):
    __slots__ = ("entry", "previous_entry", "changed")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ENTRY_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    previous_entry: Entry
    changed: bool
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ..., previous_entry: _Optional[_Union[Entry, _Mapping]] = ..., changed: _Optional[bool] = ...) -> None: ...

class BatchSubmitScoresRequest(_message.Message):
    __slots__ = ("request_id", "submissions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SUBMISSIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    submissions: _containers.RepeatedCompositeFieldContainer[ScoreSubmission]
    def __init__(self, request_id: _Optional[str] = ..., submissions: _Optional[_Iterable[_Union[ScoreSubmission, _Mapping]]] = ...) -> None: ...

class SubmissionResult(_message.Message):
    __slots__ = ("entry", "failure")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    failure: _status_pb2.Status
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ..., failure: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchSubmitScoresResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SubmissionResult]
    def __init__(self, results: _Optional[_Iterable[_Union[SubmissionResult, _Mapping]]] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("leaderboard_id", "entry_id")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    entry_id: str
    def __init__(self, leaderboard_id: _Optional[str] = ..., entry_id: _Optional[str] = ...) -> None: ...

class GetEntryResponse(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ...) -> None: ...

class ListTopRequest(_message.Message):
    __slots__ = ("leaderboard_id", "page_size", "page_token")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    page_size: int
    page_token: str
    def __init__(self, leaderboard_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTopResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListAroundRequest(_message.Message):
    __slots__ = ("leaderboard_id", "entry_id", "range")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    entry_id: str
    range: int
    def __init__(self, leaderboard_id: _Optional[str] = ..., entry_id: _Optional[str] = ..., range: _Optional[int] = ...) -> None: ...

class ListAroundResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class RemoveEntryRequest(_message.Message):
    __slots__ = ("leaderboard_id", "entry_id")
    LEADERBOARD_ID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    leaderboard_id: str
    entry_id: str
    def __init__(self, leaderboard_id: _Optional[str] = ..., entry_id: _Optional[str] = ...) -> None: ...

class RemoveEntryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
