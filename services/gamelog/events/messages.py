"""Events and aggregates as protobuf messages."""

from savepoint.gamelog.v1 import gamelog_pb2 as pb

from services.gamelog.events.types import Aggregate, Event, Outcome
from shared.contract import json_struct
from shared.contract.times import timestamp


def event_message(event: Event) -> pb.Event:
    """The contract's Event."""
    return pb.Event(
        event_id=event.event_id,
        type=event.type,
        player_id=event.player_id,
        match_id=event.match_id,
        time=timestamp(event.time),
        payload=json_struct.from_json(event.payload),
    )


def aggregate_message(aggregate: Aggregate) -> pb.Aggregate:
    """The contract's Aggregate."""
    return pb.Aggregate(
        bucket_time=timestamp(aggregate.bucket),
        type=aggregate.type,
        count=aggregate.count,
        values=aggregate.values,
        sum=aggregate.sum,
        avg=aggregate.avg,
        min=aggregate.min,
        max=aggregate.max,
    )


def not_stored(index: int, event_id: str, outcome: Outcome) -> pb.NotStored:
    """The contract's NotStored."""
    return pb.NotStored(index=index, event_id=event_id, outcome=f"APPEND_OUTCOME_{outcome.value}")
