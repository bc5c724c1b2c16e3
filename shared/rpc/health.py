"""grpc.health.v1: SERVING exactly while the stores that a service cannot do without answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from shared.contract.errors import SavepointError
from shared.work.bounds import PING_WAIT_S

_log = logging.getLogger("savepoint.health")

_EVERY_S = 1.0

Ping = Callable[[], Awaitable[None]]


class Health:
    """The health servicer of one process, and the watch that keeps it true."""

    def __init__(self, services: Sequence[str], essential: Mapping[str, Ping]) -> None:
        self.servicer = health_aio.HealthServicer()
        # The library starts "" as SERVING: before the stores have answered that is not so.
        self._names = ["", *services]
        self._essential = essential
        # Why it is not; None before the first look, nothing while it is.
        self._reasons: Mapping[str, str] | None = None

    async def watch(self) -> None:
        """Pings the stores every second and says what follows, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_S)

    async def check(self) -> None:
        """Pings once and says what follows."""
        answers = {name: await _answer(ping) for name, ping in self._essential.items()}
        await self._say({name: reason for name, reason in answers.items() if reason})

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever the stores do."""
        await self.servicer.enter_graceful_shutdown()

    async def _say(self, reasons: Mapping[str, str]) -> None:
        before, self._reasons = self._reasons, reasons
        if reasons == before:
            return
        if reasons:
            _log.warning("not serving: %s", "; ".join(reasons.values()), extra={"stores": list(reasons)})
        elif before:
            _log.info("serving again")
        state = health_pb2.HealthCheckResponse.NOT_SERVING if reasons else health_pb2.HealthCheckResponse.SERVING
        for name in self._names:
            await self.servicer.set(name, state)


async def _answer(ping: Ping) -> str | None:
    """Why a store is not fit to be used; None where it is."""
    try:
        async with asyncio.timeout(PING_WAIT_S):
            await ping()
    except Exception as error:
        # Whatever it is, the store did not answer as it should; the store's own calls say more.
        _log.debug("a ping failed", exc_info=True)
        return error.message if isinstance(error, SavepointError) else f"{error}" or type(error).__name__
    return None
