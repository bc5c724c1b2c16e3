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
        # The library starts "" as SERVING, which is wrong until the stores have answered.
        self._names = ["", *services]
        self._essential = essential
        self._serving: bool | None = None
        # Why it is not: what was said of that since it last was. A store that fails now so, now so, is no news.
        self._said: set[str] = set()

    async def watch(self) -> None:
        """Pings the stores every second and sets the health by it, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(_EVERY_S)

    async def check(self) -> None:
        """Pings each store once and sets the health by it."""
        answers = {name: await _answer(ping) for name, ping in self._essential.items()}
        await self._say({name: reason for name, reason in answers.items() if reason})

    async def stop(self) -> None:
        """NOT_SERVING from now on, whatever the stores do."""
        await self.servicer.enter_graceful_shutdown()

    async def _say(self, reasons: Mapping[str, str]) -> None:
        if news := [reason for reason in reasons.values() if reason not in self._said]:
            self._said.update(news)
            _log.warning("not serving: %s", "; ".join(news), extra={"stores": list(reasons)})
        serving = not reasons
        if serving == self._serving:
            return
        if serving:
            self._said.clear()
            if self._serving is not None:
                _log.info("serving again")
        self._serving = serving
        state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
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
