import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LedgerEntryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEDGER_ENTRY_KIND_UNSPECIFIED: _ClassVar[LedgerEntryKind]
    LEDGER_ENTRY_KIND_ADJUSTMENT: _ClassVar[LedgerEntryKind]
    LEDGER_ENTRY_KIND_TRANSFER_OUT: _ClassVar[LedgerEntryKind]
    LEDGER_ENTRY_KIND_TRANSFER_IN: _ClassVar[LedgerEntryKind]
LEDGER_ENTRY_KIND_UNSPECIFIED: LedgerEntryKind
LEDGER_ENTRY_KIND_ADJUSTMENT: LedgerEntryKind
LEDGER_ENTRY_KIND_TRANSFER_OUT: LedgerEntryKind
LEDGER_ENTRY_KIND_TRANSFER_IN: LedgerEntryKind

class Wallet(_message.Message):
    __slots__ = ("player_id", "coins", "held_coins", "available_coins")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    COINS_FIELD_NUMBER: _ClassVar[int]
    HELD_COINS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_COINS_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    coins: int
    held_coins: int
    available_coins: int
    def __init__(self, player_id: _Optional[str] = ..., coins: _Optional[int] = ..., held_coins: _Optional[int] = ..., available_coins: _Optional[int] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("entry_id", "player_id", "delta", "coins_after", "kind", "reason", "reference", "request_id", "created_at", "transfer_id", "counterparty_player_id")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COINS_AFTER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTERPARTY_PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    player_id: str
    delta: int
    coins_after: int
    kind: LedgerEntryKind
    reason: str
    reference: str
    request_id: str
    created_at: _timestamp_pb2.Timestamp
    transfer_id: str
    counterparty_player_id: str
    def __init__(self, entry_id: _Optional[str] = ..., player_id: _Optional[str] = ..., delta: _Optional[int] = ..., coins_after: _Optional[int] = ..., kind: _Optional[_Union[LedgerEntryKind, str]] = ..., reason: _Optional[str] = ..., reference: _Optional[str] = ..., request_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., transfer_id: _Optional[str] = ..., counterparty_player_id: _Optional[str] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("player_id",)
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    def __init__(self, player_id: _Optional[str] = ...) -> None: ...

class GetWalletResponse(_message.Message):
    __slots__ = ("wallet",)
    WALLET_FIELD_NUMBER: _ClassVar[int]
    wallet: Wallet
    def __init__(self, wallet: _Optional[_Union[Wallet, _Mapping]] = ...) -> None: ...

class AdjustCoinsRequest(_message.Message):
    __slots__ = ("request_id", "player_id", "delta", "reason", "reference")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    delta: int
    reason: str
    reference: str
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., delta: _Optional[int] = ..., reason: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class AdjustCoinsResponse(_message.Message):
    __slots__ = ("wallet", "entry")
    WALLET_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    wallet: Wallet
    entry: LedgerEntry
    def __init__(self, wallet: _Optional[_Union[Wallet, _Mapping]] = ..., entry: _Optional[_Union[LedgerEntry, _Mapping]] = ...) -> None: ...

class TransferCoinsRequest(_message.Message):
    __slots__ = ("request_id", "sender_player_id", "receiver_player_id", "amount", "reason", "reference")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    sender_player_id: str
    receiver_player_id: str
    amount: int
    reason: str
    reference: str
    def __init__(self, request_id: _Optional[str] = ..., sender_player_id: _Optional[str] = ..., receiver_player_id: _Optional[str] = ..., amount: _Optional[int] = ..., reason: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class TransferCoinsResponse(_message.Message):
    __slots__ = ("transfer_id", "sender", "receiver")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    sender: Wallet
    receiver: Wallet
    def __init__(self, transfer_id: _Optional[str] = ..., sender: _Optional[_Union[Wallet, _Mapping]] = ..., receiver: _Optional[_Union[Wallet, _Mapping]] = ...) -> None: ...
