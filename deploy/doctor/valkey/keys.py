"""Big keys: a look at some keys, never at all of them."""

import time

from redis.asyncio import Redis

from deploy.doctor.finding import Finding, notice, ok
from deploy.doctor.limits import Limits
from deploy.doctor.text import size

_AT_ONCE = 200


async def look(client: "Redis", limits: Limits) -> list[Finding]:
    """The biggest of as many keys as `limits` allows. The server estimates a key's size from a few of its members."""
    seen, biggest, key, cursor = 0, 0, "", 0
    until = time.monotonic() + limits.keys_within_s
    while seen < limits.keys_looked_at and time.monotonic() < until:
        cursor, found = await client.scan(cursor, count=_AT_ONCE)
        async with client.pipeline(transaction=False) as asked:
            for name in found:
                asked.memory_usage(name)
            sizes = await asked.execute()
        seen += len(found)
        for name, taken in zip(found, sizes, strict=True):
            # One that has expired meanwhile has no size.
            if taken is not None and taken > biggest:
                biggest, key = taken, str(name)
        if not cursor:
            break
    if not seen:
        return [ok("big keys", "no keys")]
    what = f"the biggest of {seen:,} looked at is {key} with {size(biggest)}"
    if biggest < limits.big_key_bytes:
        return [ok("big keys", what, looked_at=seen, biggest_bytes=biggest)]
    why = (
        "whatever touches all of it holds everybody up: deleting, copying to a replica, a rewrite; it cannot be spread"
    )
    do = "split it: a board a season or region; UNLINK instead of DEL"
    return [notice("big keys", what, why, do, looked_at=seen, biggest_bytes=biggest, key=key)]
