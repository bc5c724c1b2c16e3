"""What a statement comes to that waits for locks: one request's alone, which shared statements have left out."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from shared.stores.errors import Contended, LockTimeout
from shared.work.batching import BUSY, Busy

T = TypeVar("T")


async def waited(statement: Awaitable[Sequence[T | Busy]]) -> T | Busy:
    """The result of a patient statement (Query.patient) for its one request; BUSY where the locks have not come within
    the statement's bound, or what it waited for has gone, or other transactions were faster."""
    try:
        [result] = await statement
    except (LockTimeout, Contended):
        return BUSY
    return result
