"""Callers who change their mind: a share of the calls is cancelled midway, many at once."""

import asyncio
import random
from collections.abc import Sequence

from bench.generator import outcome
from bench.generator.caller import Caller

_CATCH_UP_S = 0.002


async def cancel_in_bursts(callers: Sequence[Caller], share: float, every_s: float) -> None:
    """Cancels this share of the calls, at random moments some `every_s` apart, until cancelled itself.

    A burst takes random callers, whose calls are then anywhere on their way. When too few are on their way to reach
    the share, the next burst comes at once.
    """
    cancelled = 0
    owed = 0
    while True:
        await asyncio.sleep(_CATCH_UP_S if owed > 0 else random.expovariate(1 / every_s))
        begun = sum(caller.attempt for caller in callers)
        on_their_way = [caller for caller in callers if caller.stream]
        # Those who are cancelled start another call at once, which counts too.
        owed = round(share * begun) - cancelled
        for caller in random.sample(on_their_way, max(0, min(owed, len(on_their_way)))):
            caller.give_up(outcome.CANCELLED)
            cancelled += 1
            owed -= 1
