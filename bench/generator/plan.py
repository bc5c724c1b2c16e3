"""What a generator is to do, as it travels to the generator's process: one line of JSON."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# Wherever these 36 bytes stand in a request, and in what its answer must contain, each call has a new UUID instead.
ANY_UUID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Request:
    """An encoded request message; its answer must contain the bytes of `expect`."""

    body: bytes
    expect: bytes = b""


@dataclass(frozen=True)
class Operation:
    """A method (`/package.Service/Method`) and the requests that are sent to it in turn.

    `weight`: of the calls of a plan with several operations, how many in proportion go to this one. `may_be_empty`:
    whether an answer without a byte is right. `least_bytes`: an answer with fewer is wrong, a list cut short.
    """

    name: str
    method: str
    requests: Sequence[Request]
    weight: int = 1
    may_be_empty: bool = False
    least_bytes: int = 0


@dataclass(frozen=True)
class Plan:
    """Callers who each send their next call when the last one has ended.

    `target` is host:port or unix:path. What happens in the first `warm_s` seconds is not measured. With `deadline_s`
    each call brings a grpc-timeout and is reset when it is over. `cancel_share` of the calls are cancelled at a random
    moment on their way, in bursts about every `burst_every_s` seconds. `pause_s` is about how long a caller
    waits before its next call when an answer was not OK. With `calls` it ends as soon as so many have been begun, those
    that are not measured included. `charge` names processes (name -> pid) whose CPU in the measured time the result
    shows, their children included.
    """

    target: str
    operations: Sequence[Operation]
    callers: int = 64
    connections: int = 4
    seconds: float = 5.0
    warm_s: float = 1.0
    deadline_s: float | None = None
    cancel_share: float = 0.0
    burst_every_s: float = 0.02
    pause_s: float = 0.0
    calls: int | None = None
    charge: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), default=lambda value: base64.b64encode(value).decode())

    @classmethod
    def from_json(cls, line: str | bytes) -> "Plan":
        """What `to_json` wrote."""
        fields: dict[str, Any] = json.loads(line)
        fields["operations"] = [_operation(operation) for operation in fields["operations"]]
        return cls(**fields)


def _operation(fields: dict[str, Any]) -> Operation:
    requests = [Request(*map(base64.b64decode, (each["body"], each["expect"]))) for each in fields.pop("requests")]
    return Operation(requests=requests, **fields)
