"""grpc.health.v1: SERVING exactly while the stores that a service cannot do without answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

_log = logging.getLogger("savepoint.health")

_EVERY_S = 1.0
_BOUND_S = 2.0

Ping = Callable[[], Awaitable[None]]


class Health:
    """The health servicer of one process, and the watch that keeps it true."""

    def __init__(self, services: Sequence[str], essential: Mapping[str, Ping]) -> None:
        self.servicer = health_aio.HealthServicer()
        # The library starts "" as SERVING: before the stores have answered that is not so.
        self._names = ["", *services]
        self._essential = essential
        self._serving: bool | None = None

    async def watch(self) -> None:
        """Pings the stores every second and says what follows, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_S)

    async def check(self) -> None:
        """Pings once and says what follows."""
        silent = [name for name, ping in self._essential.items() if not await _answers(ping)]
        await self._say(not silent, silent)

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever the stores do."""
        await self.servicer.enter_graceful_shutdown()

    async def _say(self, serving: bool, silent: Sequence[str]) -> None:
        if serving == self._serving:
            return
        if self._serving is not None or not serving:
            _log.log(
                logging.INFO if serving else logging.WARNING,
                "serving again" if serving else "not serving: a store does not answer",
                extra={"stores": list(silent)},
            )
        self._serving = serving
        state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, state)


async def _answers(ping: Ping) -> bool:
    try:
        async with asyncio.timeout(_BOUND_S):
            await ping()
    except Exception:
        # Whatever it is, the store did not answer as it should; the store's own calls say why.
        _log.debug("a ping failed", exc_info=True)
        return False
    return True
