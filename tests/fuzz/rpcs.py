"""The RPCs there are, from the descriptors in protos/gen: a new one is fuzzed without a word here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

DESCRIPTORS = Path(__file__).parent.parent.parent / "protos" / "gen" / "savepoint.binpb"


@dataclass(frozen=True)
class Rpc:
    """One unary RPC: how it is called, and the classes of its messages."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]

    @property
    def path(self) -> str:
        """As HTTP/2 names it."""
        return f"/{self.service}/{self.name}"


def unary() -> list[Rpc]:
    """Every RPC that takes one message and answers one, in the order of the protos."""
    return list(_unary())


def _unary() -> Iterator[Rpc]:
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    for file in files.file:
        for service in file.service:
            full_name = f"{file.package}.{service.name}"
            for method in pool.FindServiceByName(full_name).methods:
                if not (method.client_streaming or method.server_streaming):
                    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
                    yield Rpc(full_name, method.name, request, response)
