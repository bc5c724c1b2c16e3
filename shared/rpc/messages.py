"""What is alike for messages on every host: how large they may be, and how they become bytes."""

from typing import Any

from google.protobuf.message import Message

from shared.contract.errors import FieldInvalid

LARGEST_REQUEST = 4 * 1024 * 1024


def serialized(answer: Any) -> bytes:
    """An answer as bytes; bytes stay as they are."""
    if type(answer) is bytes:
        return answer
    message: Message = answer
    # A map's order differs from process to process otherwise, and a replayed answer would differ with it.
    return message.SerializeToString(deterministic=True)


def too_large(size: int) -> FieldInvalid:
    """The error for a message of so many bytes."""
    return FieldInvalid("request", f"must be at most {LARGEST_REQUEST} bytes, and has {size}; split the call")
