"""Sends the messages, beside the healthy callers, and gathers what came of them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import grpc
from google.protobuf.message import Message
from grpc import aio

from tests.fuzz import healthy
from tests.fuzz.generate import Requests
from tests.fuzz.outcome import Outcome, answered, refused
from tests.fuzz.report import Report, finding
from tests.fuzz.rpcs import Rpc
from tests.fuzz.world import World

AT_ONCE = 16
HEALTHY_EACH = 2

# Seconds that a call may take. All but the last are too short on purpose.
_SHORT_S = (0.001, 0.01, 0.05)
_LONG_S = 10.0

Job = tuple[Rpc, Requests, int]
Metadata = list[tuple[str, str | bytes]]


async def fuzz(
    address: str,
    rpcs: Sequence[Rpc],
    numbers: Sequence[int],
    seed: str,
    *,
    large: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Sends each RPC the requests with these numbers, `large` as in World. Calls `progress` after each."""
    report = Report(seed, statuses={rpc.path: Counter() for rpc in rpcs})
    async with aio.insecure_channel(address) as channel:
        world = World(channel, large=large)
        await world.make()
        begun = time.perf_counter()
        jobs = _jobs(rpcs, numbers, world, seed)
        async with healthy.callers(channel, HEALTHY_EACH) as seen, asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_work(channel, world, jobs, report, seen, progress))
        report.seconds = round(time.perf_counter() - begun, 3)
    report.healthy_calls, report.healthy_failures = seen.calls, seen.failures
    return report


def _jobs(rpcs: Sequence[Rpc], numbers: Sequence[int], world: World, seed: str) -> Iterator[Job]:
    """One request of each RPC, then the next of each: so all of them meet all others."""
    makers = [(rpc, Requests(rpc, world, seed)) for rpc in rpcs]
    return ((rpc, requests, number) for number in numbers for rpc, requests in makers)


async def _work(
    channel: aio.Channel,
    world: World,
    jobs: Iterator[Job],
    report: Report,
    seen: healthy.Healthy,
    progress: Callable[[], None],
) -> None:
    for rpc, requests, number in jobs:
        kind, raw = requests.make(number)
        rng = random.Random(f"{report.seed}/{rpc.path}/{number}/call")
        outcome = await _call(channel, rpc, raw, rng)
        report.statuses[rpc.path][outcome.code] += 1
        if outcome.fault:
            report.findings.append(finding(rpc, number, kind, raw, outcome.fault))
        if outcome.answer is not None:
            _harvest(outcome.answer, raw, requests, world)
            await seen.take("replace", partial(world.replace, rpc.name, rpc.request.FromString(raw)))
        progress()


async def _call(channel: aio.Channel, rpc: Rpc, raw: bytes, rng: random.Random) -> Outcome:
    seconds = rng.choice(_SHORT_S) if rng.random() < 0.06 else _LONG_S
    compression = grpc.Compression.Gzip if rng.random() < 0.05 else None
    call: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(rpc.path)
    try:
        answer = await call(raw, timeout=seconds, metadata=_metadata(rng), compression=compression)
    except aio.AioRpcError as error:
        return refused(error, was_long=seconds == _LONG_S)
    return answered(answer, rpc.response)


def _metadata(rng: random.Random) -> Metadata:
    """Mostly none; otherwise such as callers, proxies and tracers send, at most some 6 KiB of it."""
    if rng.random() < 0.8:
        return []
    kinds: tuple[Metadata, ...] = (
        [("x-fuzz-bin", rng.randbytes(rng.choice((0, 1, 3, 1000))))],
        [("x-fuzz", "x" * rng.choice((0, 1, 1_000, 5_000)))],
        [(f"x-fuzz-{number}", "y") for number in range(60)],
        [("x-fuzz", "a"), ("x-fuzz", "b,c"), ("x-fuzz-bin", b"\0\xff"), ("x-fuzz-bin", b"")],
        [("traceparent", rng.choice(("", "00-0-0-00", f"00-{'a' * 32}-{'b' * 16}-01", "ff" * 100)))],
        [("x-savepoint-gateway", "7"), ("authorization", "Bearer nobody"), ("grpc-trace-bin", b"\0" * 29)],
        [("baggage", "k=v;" * 200), ("user-agent", "fuzz"), ("x-request-id", " ~!")],
    )
    return rng.choice(kinds)


def _harvest(answer: Message, raw: bytes, requests: Requests, world: World) -> None:
    """Keeps what later requests may bring back."""
    if token := getattr(answer, "next_page_token", ""):
        requests.next_page(raw, token)
    if name := getattr(getattr(answer, "player", None), "username", ""):
        world.names.append(name)
    for name in ("player", "item"):
        if etag := getattr(getattr(answer, name, None), "etag", ""):
            world.etags.append(etag)
