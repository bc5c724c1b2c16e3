"""What makes two requests the same, whichever store keeps the record."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.contract import fields


@dataclass(frozen=True)
class RequestKey:
    """What makes two requests the same: id, method and content."""

    request_id: UUID
    method: str
    fingerprint: bytes

    @classmethod
    def of(cls, request: Any, content: Callable[[Any], bytes] | None = None) -> "RequestKey":
        """The key of a request message with a request_id. Its fingerprint is SHA-256 over its deterministic
        serialization, or over what `content` makes of the message (shared/contract/renumbered.py says when). Raises
        FieldInvalid for a request_id that is missing or no UUID."""
        request_id = fields.uuid(request.request_id, "request_id")
        serialized = content(request) if content else request.SerializeToString(deterministic=True)
        name = request.DESCRIPTOR.full_name
        return cls(request_id, name.removesuffix("Request"), hashlib.sha256(serialized).digest())

    def params(self) -> Mapping[str, Any]:
        """As parameters of the effect's query."""
        return {"request_id": self.request_id, "method": self.method, "fingerprint": self.fingerprint}
