"""Page tokens: where the next page starts, as a position in the list's order, never an offset.

A token is opaque to callers and bound to its list: the method and the filters that it was made under. It is no secret:
a forged one can only make the same list start elsewhere. One that does not decode is refused.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message
from pydantic import TypeAdapter, ValidationError

from shared.contract.errors import FieldInvalid

K = TypeVar("K")
T = TypeVar("T")
M = TypeVar("M", bound=Message | bytes)

# A page of large things ends here, whatever page_size allows: a gRPC client takes 4 MiB unless it is told otherwise.
LARGEST_PAGE_BYTES = 3 * 1024 * 1024

_DIGEST_BYTES = 8
_LONGEST_TOKEN = 1024


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and whether there is more of it."""

    items: Sequence[T]
    more: bool


def fitting(messages: Iterable[M]) -> list[M]:
    """The first messages, made ones or their bytes, up to and including the one that brings them over a page's largest
    size. There is always one if there is any, so that paging gets on."""
    fit: list[M] = []
    room = LARGEST_PAGE_BYTES
    for message in messages:
        fit.append(message)
        room -= len(message) if isinstance(message, bytes) else message.ByteSize()
        if room <= 0:
            break
    return fit


class Pages:
    """The tokens of one list under one set of filters."""

    def __init__(self, *filters: object) -> None:
        self._filters = repr(filters).encode()

    def token(self, key: K, kind: TypeAdapter[K]) -> str:
        """The token of the page that starts after `key`."""
        body = kind.dump_json(key)
        return base64.urlsafe_b64encode(self._digest(body) + body).decode().rstrip("=")

    def key(self, token: str, kind: TypeAdapter[K]) -> K | None:
        """The key inside a token; None for the empty token of a first page. Raises FieldInvalid for any other text."""
        if not token:
            return None
        if len(token) <= _LONGEST_TOKEN and token.isascii():
            try:
                raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
                digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
                if digest == self._digest(body):
                    return kind.validate_json(body)
            except (binascii.Error, ValidationError):
                pass
        raise FieldInvalid(
            "page_token", "must be the next_page_token of the page before, of the same list with the same filters"
        )

    def _digest(self, body: bytes) -> bytes:
        return hashlib.sha256(self._filters + b"\0" + body).digest()[:_DIGEST_BYTES]
