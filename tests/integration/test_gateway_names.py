"""One name that stands for all replicas of a service, as in compose with --scale."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from grpc import aio

from deploy.gateway.render import HEALTH_LUA, render
from deploy.local import engines, ports
from deploy.local.part import Command
from deploy.local.process import end, environment, spawn
from tests.support.backend import answers, backend
from tests.support.names import names

PATH = "/savepoint.profile.v1.ProfileService/GetPlayer"
CALLS = 200
# A backend takes 100 streams of a connection, and the gateway may have one.
AT_ONCE = 50
WITHIN_S = 20
# Where the gateway asks for names: nothing else of its configuration is the test's own.
RESOLVER = """
typed_dns_resolver_config:
  name: envoy.network.dns_resolver.cares
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    resolvers: [{socket_address: {protocol: UDP, address: 127.0.0.1, port_value: %d}}]
    dns_resolver_options: {use_tcp_for_dns_lookups: false, no_default_search_domain: true}
"""


@asynccontextmanager
async def gateway(directory: Path, backend_port: int, dns_port: int) -> AsyncIterator[str]:
    """Envoy as compose configures it; its host:port."""
    port, metrics_port = ports.free(2)
    values: dict[str, str | int] = {
        "ADMIN_SOCKET": str(directory / "admin.sock"),
        "HEALTH_LUA": str(HEALTH_LUA),
        **{"GATEWAY_HOST": ports.HOST, "GATEWAY_PORT": port},
        **{"METRICS_HOST": ports.HOST, "METRICS_PORT": metrics_port},
    }
    for name in ("PROFILE", "INVENTORY", "LEADERBOARD", "GAMELOG"):
        values |= {f"{name}_HOST": f"{name.lower()}.example", f"{name}_PORT": backend_port}
    configuration = directory / "gateway.yaml"
    configuration.write_text(render(values) + RESOLVER % dns_port)
    options = ("--config-path", str(configuration), "--disable-hot-restart", "--log-level", "warning")
    command = Command((str(engines.envoy()), *options), environment(), directory)
    process = await spawn(command, directory / "gateway.log", signal.SIGTERM)
    try:
        yield f"{ports.HOST}:{port}"
    finally:
        await end(process, signal.SIGTERM, 10)


async def reached(channel: aio.Channel, seen: Callable[[], list[int]]) -> list[int]:
    """How many of CALLS calls over one connection reached each backend."""
    rpc: Callable[..., aio.UnaryUnaryCall[bytes, bytes]] = channel.unary_unary(PATH)
    before = seen()
    room = asyncio.Semaphore(AT_ONCE)

    async def call() -> None:
        async with room:
            await rpc(b"", timeout=5, wait_for_ready=True)

    await asyncio.gather(*(call() for _ in range(CALLS)))
    return [now - then for now, then in zip(seen(), before, strict=True)]


async def test_calls_are_spread_over_all_addresses_of_a_name_and_a_new_one_gets_its_share(tmp_path: Path) -> None:
    async with (
        backend(answers, host="127.0.0.1") as (first, port),
        backend(answers, host="127.0.0.2", port=port) as (second, _),
        names(["127.0.0.1"]) as (known, dns_port),
        gateway(tmp_path, port, dns_port) as address,
        aio.insecure_channel(address) as channel,
    ):

        def seen() -> list[int]:
            return [each.seen[PATH] for each in (first, second)]

        async with asyncio.timeout(WITHIN_S):
            while not await serves(channel):
                await asyncio.sleep(0.1)
        assert await reached(channel, seen) == [CALLS, 0]

        known.addresses = ["127.0.0.1", "127.0.0.2"]
        async with asyncio.timeout(WITHIN_S):
            while not min(shares := await reached(channel, seen)):
                await asyncio.sleep(0.2)
        shares = await reached(channel, seen)
        assert sum(shares) == CALLS
        assert min(shares) > CALLS / 4


async def serves(channel: aio.Channel) -> bool:
    rpc: Callable[..., aio.UnaryUnaryCall[bytes, bytes]] = channel.unary_unary(PATH)
    try:
        await rpc(b"", timeout=2)
    except aio.AioRpcError:
        return False
    return True
