"""The messages of release 0.1, from its descriptors."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_DESCRIPTORS = Path(__file__).parent.parent.parent / "protos" / "releases" / "0.1.0.binpb"


def message_of_0_1(full_name: str, content: dict[str, Any]) -> Message:
    """The message of that name with what the JSON says."""
    pool = _pool()
    made = GetMessageClass(pool.FindMessageTypeByName(full_name))()
    return ParseDict(content, made, descriptor_pool=pool)


def fingerprint_of_0_1(full_name: str, content: dict[str, Any]) -> bytes:
    """What 0.1 kept with the record of such a request."""
    return hashlib.sha256(message_of_0_1(full_name, content).SerializeToString(deterministic=True)).digest()


@lru_cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file:
        pool.Add(file)
    return pool
