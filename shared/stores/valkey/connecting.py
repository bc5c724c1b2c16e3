"""Opens what REDIS_URL names: one server, the primary that sentinels name, or a cluster."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.contract.errors import StoreUnavailable
from shared.stores.errors import StoreUnfit
from shared.stores.valkey.cluster import Cluster
from shared.stores.valkey.one import OneServer
from shared.stores.valkey.script import Script
from shared.stores.valkey.sentinel import Sentinels
from shared.stores.valkey.server import IN_A_CLUSTER, Valkey
from shared.stores.valkey.url import CLUSTER, REPLICA, SINGLE, MakeConnection, Servers, parse
from shared.telemetry.store import StoreTelemetry
from shared.work import background
from shared.work.background import Job

KIND = Script("kind", "return redis.call('INFO', 'cluster')", "", writes=False)

_log = logging.getLogger("savepoint.valkey")


@asynccontextmanager
async def connect(
    url: str,
    telemetry: StoreTelemetry,
    *,
    answer_timeout_s: float,
    start_timeout_s: float = 0,
    mode: str = SINGLE,
    sentinel_password: str = "",
    tells_reign: bool = False,
) -> AsyncIterator[Valkey]:
    """What the URL names in this mode (single, replica or cluster), connected to when it is first used; closed on the
    way out. Raises StoreUnfit for a URL that the mode cannot use; with `start_timeout_s`, for a server likewise.

    With `start_timeout_s` it must answer within that time, else StoreUnavailable is raised; without, it may be down.
    With `tells_reign`, scripts are told the reign of the primary that runs them, as their last argument: for a cache
    that must not show what a failover has brought back. A server alone knows no failover, and tells nothing."""
    servers = parse(url, mode)
    opening = _cluster if mode == CLUSTER else _one_server
    async with opening(servers, telemetry, answer_timeout_s, sentinel_password, tells_reign) as valkey:
        if start_timeout_s:
            await _started(valkey, mode, start_timeout_s)
        yield valkey


@asynccontextmanager
async def _one_server(
    servers: Servers, telemetry: StoreTelemetry, answer_timeout_s: float, sentinel_password: str, tells_reign: bool
) -> AsyncIterator[Valkey]:
    if servers.mode == REPLICA:
        # A sentinel that is slow must leave time to open a connection to the primary.
        sentinels = Sentinels(servers, sentinel_password, answer_timeout_s / 2)
        valkey = OneServer(sentinels.find, sentinels.check, answer_timeout_s, telemetry, tells_reign=tells_reign)
    else:
        make_connection = servers.connection()

        async def find() -> MakeConnection:
            return make_connection

        # Alone, it knows no failover.
        valkey = OneServer(find, None, answer_timeout_s, telemetry)
    job = Job("valkey-connection", valkey.link.stay_connected)
    async with background.running(job, telemetry.metrics.background_failures):
        yield valkey


@asynccontextmanager
async def _cluster(
    servers: Servers, telemetry: StoreTelemetry, answer_timeout_s: float, _: str, tells_reign: bool
) -> AsyncIterator[Valkey]:
    cluster = Cluster(servers, answer_timeout_s, telemetry, tells_reign=tells_reign)
    job = Job("valkey-cluster-map", cluster.stay_informed)
    try:
        async with background.running(job, telemetry.metrics.background_failures):
            yield cluster
    finally:
        await cluster.close()


async def _started(valkey: Valkey, mode: str, timeout_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    while True:
        try:
            await valkey.ping()
            break
        except StoreUnavailable as error:
            if valkey.misfit:
                raise StoreUnfit(valkey.misfit) from error
            if loop.time() > until:
                _log.warning("the store does not answer", extra={"why": repr(_first_cause(error))})
                raise
        await asyncio.sleep(0.2)
    if mode == SINGLE and await _in_cluster(valkey):
        raise StoreUnfit(IN_A_CLUSTER)


async def _in_cluster(valkey: Valkey) -> bool:
    """Whether a server is a node of a cluster; no where it does not say, to this user."""
    try:
        return b"cluster_enabled:1" in await valkey.run(KIND, ())
    except RuntimeError:
        return False


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__:
        error = error.__cause__
    return error
