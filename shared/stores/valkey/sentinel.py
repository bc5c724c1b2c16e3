"""Which server is the primary, asked of the sentinels that watch it.

All of them are asked at once, and what is answered with the highest epoch counts: a sentinel that was away during a
failover still names the old primary, and the epoch rises with each failover. As soon as most have answered, nobody
waits for the others: a failover is decided by most of them.

The address is the one of GET-MASTER-ADDR-BY-NAME: what MASTER says of it, the sentinel that leads a failover leaves at
the old primary, under the new epoch, until every replica follows the new one; that may take minutes.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from shared.stores.valkey.link import NotPrimaryError
from shared.stores.valkey.pipeline import UNANSWERED, Pipeline, opened
from shared.stores.valkey.primary import reign
from shared.stores.valkey.url import Address, MakeConnection, Servers
from shared.work import background


class _Named(NamedTuple):
    """What a sentinel says."""

    epoch: int
    address: Address


class Sentinels:
    """Those that a URL names. One that does not answer within `answer_timeout_s` counts as away."""

    def __init__(self, servers: Servers, password: str, answer_timeout_s: float) -> None:
        self._servers = servers
        self._sentinels = [servers.sentinel(address, password) for address in servers.addresses]
        self._answer_timeout_s = answer_timeout_s
        # Where `find` has led to.
        self._found: Address | None = None
        self._last_failure = ""

    async def find(self) -> MakeConnection:
        """The way to the primary. Raises NotPrimaryError where no sentinel names one."""
        address = await self._ask_all()
        if address is None:
            raise NotPrimaryError(f"no sentinel names the primary {self._servers.primary}: {self._last_failure}")
        self._found = address
        return self._servers.connection(address)

    async def check(self, pipeline: Pipeline) -> str:
        """The reign of the server at the other end of a connection that `find` has led to. Raises NotPrimaryError where
        it is a replica, or the sentinels name another one meanwhile: then it is an old primary that nobody has told."""
        found = await reign(pipeline)
        if await self._ask_all() not in (self._found, None):
            raise NotPrimaryError("the sentinels name another primary")
        return found

    async def _ask_all(self) -> Address | None:
        """None where no sentinel knows."""
        owned: set[asyncio.Task[Sequence[_Named]]] = set()
        asked = [background.once(self._ask(each), "valkey-sentinel", owned) for each in self._sentinels]
        try:
            said: list[_Named] = []
            for answer in asyncio.as_completed(asked):
                said += await answer
                if 2 * len(said) > len(asked):
                    break
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return max(said).address if said else None

    async def _ask(self, make_connection: MakeConnection) -> Sequence[_Named]:
        """What one sentinel says, or nothing."""
        try:
            async with (
                asyncio.timeout(self._answer_timeout_s),
                opened(make_connection, self._answer_timeout_s) as pipeline,
            ):
                # In this order: an epoch may be older than the address that comes with it, and never newer.
                epoch = (await pipeline.ask("SENTINEL", "MASTER", self._servers.primary))[b"config-epoch"]
                host, port = await pipeline.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._servers.primary)
            return (_Named(int(epoch), Address(host.decode(), int(port))),)
        except UNANSWERED as failure:
            self._last_failure = f"{type(failure).__name__} {failure}"
            return ()
