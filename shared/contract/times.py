"""Times as the contract's messages have them."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


def timestamp(time: datetime) -> Timestamp:
    """A time with its zone as a Timestamp. Handing the datetime to protobuf gives the same for four times as long."""
    since = time - _EPOCH
    return Timestamp(seconds=since.days * _DAY_S + since.seconds, nanos=since.microseconds * 1000)
