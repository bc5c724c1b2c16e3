"""Calls that releases answered, with what their records keep: tests/fixtures/release_*/requests/*.json."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.leaderboard.v1 import leaderboard_pb2
from savepoint.match.v1 import match_pb2
from savepoint.profile.v1 import profile_pb2, wallet_pb2

from services.inventory.items import messages as items
from services.leaderboard.boards import messages as boards
from services.profile.players import messages as players
from shared.stores.requests.key import RequestKey

FIXTURES = Path(__file__).parent.parent / "fixtures"
FILES = (profile_pb2, wallet_pb2, inventory_pb2, match_pb2, leaderboard_pb2)

# What an answer of 0.1 had and that of the same RPC has no more: batches' answers must not grow too large.
LEFT_OUT = {
    "BatchApplyProgress": {"attributes"},
    "BatchGrantItems": {"metadata"},
    "BatchSubmitScores": {"metadata"},
}


def _into(field: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What 0.1 had beside the request_id, as one field of today's request."""

    def reshaped(request: dict[str, Any]) -> dict[str, Any]:
        rest = {name: value for name, value in request.items() if name != "requestId"}
        return {"requestId": request["requestId"], field: rest}

    return reshaped


# The requests of 0.1 whose fields have other numbers today, and their JSON of today. All others are the same bytes: a
# field that is gone is one that today's contract does not know, and a message keeps it.
RESHAPED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "CreatePlayer": dict,
    "GrantItem": _into("grant"),
    "SubmitScore": _into("submission"),
    "BatchSubmitScores": dict,
}
# Of what their fingerprints are made.
CONTENT: dict[str, Callable[[Any], bytes]] = {
    "CreatePlayer": players.content_of_0_1,
    "GrantItem": items.content_of_0_1,
    "SubmitScore": boards.content_of_0_1,
    "BatchSubmitScores": boards.content_of_0_1,
}


class KeptCall:
    """A call that was answered, as its file has it."""

    def __init__(self, file: Path, said: dict[str, Any]) -> None:
        self.release = file.parent.parent.name
        self.path: str = said["rpc"]
        self.rpc = self.path.rpartition("/")[2]
        self.version: int = said["version"]
        self.kept: Any = said["kept"]
        self.answer: Any = said.get("answer")
        self.refused: Any = said.get("refused")
        self._wire: str | None = said.get("wire")
        self._request: dict[str, Any] = said["request"]
        self.method: MethodDescriptor = descriptor_pool.Default().FindMethodByName(self.path[1:].replace("/", "."))

    @property
    def id(self) -> str:
        """The call's name among the tests."""
        return f"{self.release}-{self.rpc}-{self.request_id[:8]}"

    @property
    def request_id(self) -> str:
        """Under which it was sent."""
        return str(self._request["requestId"])

    def request(self) -> bytes:
        """What was asked, as bytes that today's contract reads as the same."""
        if self._wire is not None and self.rpc not in RESHAPED:
            return bytes.fromhex(self._wire)
        return self._message().SerializeToString(deterministic=True)

    def key(self) -> RequestKey:
        """The key under which its release kept it."""
        if self._wire is None:
            return RequestKey.of(self._message(), CONTENT.get(self.rpc))
        method = str(self.method.input_type.full_name).removesuffix("Request")
        return RequestKey(UUID(self.request_id), method, hashlib.sha256(bytes.fromhex(self._wire)).digest())

    def _message(self) -> Message:
        reshaped = RESHAPED.get(self.rpc, dict) if self.release == "release_0_1" else dict
        return ParseDict(reshaped(self._request), GetMessageClass(self.method.input_type)())

    async def send(self, channel: aio.Channel, request: bytes) -> dict[str, Any]:
        """The answer of a service of today, as JSON."""
        read = GetMessageClass(self.method.output_type).FromString
        call: Any = channel.unary_unary(self.path, response_deserializer=read)
        return MessageToDict(await call(request, timeout=10))

    def check(self, answered: dict[str, Any]) -> None:
        """Fails unless an answer says all that the first one did; it may say more, in fields that came since."""
        _check(answered, self.answer, LEFT_OUT.get(self.rpc, set()), self.rpc)


def kept_calls() -> list[KeptCall]:
    """All of them."""
    files = sorted(FIXTURES.glob("release_*/requests/*.json"))
    return [KeptCall(file, said) for file in files for said in json.loads(file.read_text())]


def recorded_rpcs() -> list[str]:
    """The RPCs that take a request_id."""
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    methods = [method for service in services for method in service.methods]
    return [method.name for method in methods if "request_id" in method.input_type.fields_by_name]


def _check(answered: Any, first: Any, left_out: set[str], where: str) -> None:
    if isinstance(first, dict):
        for name, value in first.items():
            if name not in left_out:
                assert name in answered, f"{where} has no {name}"
                _check(answered[name], value, left_out, f"{where}.{name}")
    elif isinstance(first, list):
        assert len(answered) == len(first), where
        for place, (now, then) in enumerate(zip(answered, first, strict=True)):
            _check(now, then, left_out, f"{where}[{place}]")
    else:
        # As text: JSON has an int64 as text, an int32 as a number.
        assert str(answered) == str(first), where
