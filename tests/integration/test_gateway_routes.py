"""Where the gateway sends calls: to the service that hosts the method, and never to one that says it cannot serve."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc import aio

from deploy.local.alone_gateway import gateway
from deploy.local.settings import CHECKOUT
from shared.rpc.http2.timeout import seconds
from tests.support.backend import HEALTH, Backend, answers, backend

# Which service of ours hosts a package that has no service of its own name.
HOSTS = {"match": "inventory"}
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
WITHIN_S = 10


def paths() -> dict[str, str]:
    """One method of each gRPC service of ours, with the name of the service that hosts it."""
    files = FileDescriptorSet.FromString((CHECKOUT / "protos/gen/savepoint.binpb").read_bytes()).file
    ours = [file for file in files if file.package.startswith("savepoint.")]
    found = {}
    for file in ours:
        package = file.package.split(".")[1]
        for service in file.service:
            path = f"/{file.package}.{service.name}/{service.method[0].name}"
            found[path] = HOSTS.get(package, package)
    return found


async def call(
    channel: aio.Channel, path: str, timeout_s: float | None = 5, metadata: Sequence[tuple[str, str]] = ()
) -> grpc.StatusCode:
    rpc: Callable[..., aio.UnaryUnaryCall[bytes, bytes]] = channel.unary_unary(path)
    try:
        await rpc(b"", timeout=timeout_s, metadata=metadata)
    except aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def comes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.05)


async def test_every_service_s_calls_reach_the_one_that_hosts_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        made: dict[str, Backend] = {}
        addresses = {}
        for name in ("profile", "inventory", "leaderboard", "gamelog"):
            made[name], port = await stack.enter_async_context(backend(answers))
            addresses[name] = [("127.0.0.1", port)]
        before = await stack.enter_async_context(gateway(tmp_path, addresses))
        channel = await stack.enter_async_context(aio.insecure_channel(before.address))
        for path, host in paths().items():
            async with asyncio.timeout(WITHIN_S):
                while await call(channel, path) is not grpc.StatusCode.OK:
                    # The gateway has not yet found the backend healthy.
                    await asyncio.sleep(0.1)
            assert [name for name, one in made.items() if one.seen[path]] == [host], path


async def test_a_backend_that_says_it_cannot_serve_gets_no_call(tmp_path: Path) -> None:
    async with backend(answers, serving=False) as (made, port):
        addresses = {name: [("127.0.0.1", port)] for name in ("profile", "inventory", "leaderboard", "gamelog")}
        async with gateway(tmp_path, addresses) as before, aio.insecure_channel(before.address) as channel:
            # Each of the three clusters has asked twice, and so knows.
            await comes_true(lambda: made.seen[HEALTH] >= 6)
            for path in paths():
                assert await call(channel, path) is grpc.StatusCode.UNAVAILABLE, path
            assert set(made.seen) == {HEALTH}


@asynccontextmanager
async def one_backend(directory: Path) -> AsyncIterator[tuple[Backend, aio.Channel]]:
    """A backend that stands for all services, and a channel to the gateway before it, which knows that it serves."""
    async with backend(answers) as (made, port):
        addresses = {name: [("127.0.0.1", port)] for name in ("profile", "inventory", "leaderboard", "gamelog")}
        async with gateway(directory, addresses) as before, aio.insecure_channel(before.address) as channel:
            async with asyncio.timeout(WITHIN_S):
                for path in paths():
                    while await call(channel, path) is not grpc.StatusCode.OK:
                        await asyncio.sleep(0.1)
            yield made, channel


async def test_a_service_learns_its_caller_s_deadline(tmp_path: Path) -> None:
    async with one_backend(tmp_path) as (made, channel):
        for path in paths():
            await call(channel, path, 2)
            timeout = made.headers[path]["grpc-timeout"]
            # The caller may have used up some of it when it sent the call.
            assert 1.9 < seconds(timeout.encode()) <= 2.1, path
            await call(channel, path, None)
            assert "grpc-timeout" not in made.headers[path], path


async def test_nobody_but_the_gateway_says_that_a_call_came_through_it_or_how_often_it_is_sent(tmp_path: Path) -> None:
    forged = [("x-savepoint-gateway", "7"), ("x-envoy-retry-on", "5xx"), ("x-envoy-max-retries", "9")]
    async with one_backend(tmp_path) as (made, channel):
        await call(channel, REFLECTION, metadata=forged)
        assert made.headers[REFLECTION]["x-savepoint-gateway"] == "1"
        for path in (REFLECTION, *paths()):
            await call(channel, path, metadata=forged)
            assert not {"x-envoy-retry-on", "x-envoy-max-retries"} & made.headers[path].keys(), path
