"""Many impatient callers at once, for as long as a test, or whoever looks longer, wants them."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Sequence

from grpc import aio
from savepoint.profile.v1 import wallet_pb2
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

CONNECTIONS = 4


async def crowd(
    address: str,
    player_ids: Sequence[str],
    *,
    callers: int,
    seconds: float,
    deadline_s: float,
    cancelling: float = 0,
) -> Counter[str]:
    """Has so many callers earn coins for these players, one call after the other; returns how often what came of it.

    `cancelling` is the share of the calls, 0 to 1, that their caller cancels at a random instant.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    ends: Counter[str] = Counter()
    # Channels to one address share a connection unless their options differ.
    channels = [aio.insecure_channel(address, options=[("savepoint.number", i)]) for i in range(CONNECTIONS)]
    stubs = [WalletServiceStub(channel) for channel in channels]

    async def caller(number: int) -> None:
        while loop.time() < until:
            request = wallet_pb2.AdjustCoinsRequest(
                player_id=random.choice(player_ids), delta=1, reason="crowd", request_id=str(uuid.uuid4())
            )
            call = stubs[number % CONNECTIONS].AdjustCoins(request, timeout=deadline_s)
            if random.random() < cancelling:
                loop.call_later(random.uniform(0, 0.05), call.cancel)
            try:
                await call
                ends["OK"] += 1
            except aio.AioRpcError as error:
                ends[error.code().name] += 1
            except asyncio.CancelledError:
                ends["CANCELLED"] += 1

    await asyncio.gather(*(caller(number) for number in range(callers)))
    for channel in channels:
        await channel.close()
    return ends
