"""Work on what others change at the same time, where nothing is locked: it is done again until nobody came between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.contract.errors import Overloaded

T = TypeVar("T")

# Each attempt that fails because of another writer means that the other one got on. The bound is for what nobody
# expects; a call's deadline comes long before it.
ATTEMPTS = 200
_BASE_S = 0.002
_CAP_S = 0.25


class Moved(Exception):
    """Somebody else has changed what was read; nothing of the attempt happened."""


async def undisturbed(work: Callable[[], Awaitable[T]]) -> T:
    """Awaits `work()` until it does not raise Moved, with pauses that grow and have full jitter. Raises Overloaded
    after ATTEMPTS."""
    for failed in range(ATTEMPTS):
        try:
            return await work()
        except Moved:
            # The first ones go on at once: whoever has disturbed them is done.
            if failed:
                await asyncio.sleep(random.uniform(0, min(_CAP_S, _BASE_S * 2**failed)))
    raise Overloaded("too many others change the same thing at once; try again in a moment")
