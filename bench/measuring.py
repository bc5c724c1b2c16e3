"""Measures the suite's operations in a world: each beside empty calls, and its bare store operation."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from grpc import aio
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from bench import operations
from bench.bare import postgres, valkey
from bench.bare.figures import Bare
from bench.bare.pipeline import Pipeline
from bench.catalogue import Case
from bench.figures import SERVICE, Beside, Row
from bench.generator.plan import Operation, Plan
from bench.generator.process import generate
from bench.generator.result import Result, Times
from bench.peer import Peer
from bench.world import STORES, World
from shared.service.settings import ServiceSettings

CONNECTIONS = 4
# Of a service: no more of its statements run at once.
POOL: int = ServiceSettings.model_fields["connection_pool_size"].default
_WARM_S = 0.5
_EMPTY_SHARE = 0.4  # of an operation's time: an empty call's figure settles sooner
_EMPTY_WARM_S = 0.2
_BATCH = 1000
_BOUND_S = 30
_LOOK_EVERY_S = 0.02
_FULL = 0.8  # of a run's players in the cache: then it is emptied again


@dataclass(frozen=True)
class Measure:
    """One round of one operation, and the empty calls right before and right after it."""

    result: Result
    empty: tuple[Result, Result]

    @property
    def empty_calls_per_s(self) -> float:
        """The mean of both: so a machine that slows down or speeds up meanwhile does not change the ratio."""
        return statistics.mean(result.calls_per_s for result in self.empty)

    @property
    def empty_p50_ms(self) -> float:
        """Likewise."""
        return statistics.mean(result.operations["empty"].right.p50_ms for result in self.empty)


class Measuring:
    """Knows the world and the pace; makes the plans."""

    def __init__(self, world: World, seconds: float, most: int | None = None) -> None:
        """`most`: how many ids the requests of an operation name; each case knows that by itself."""
        self._world = world
        self._seconds = seconds
        self._most = most
        self._made: dict[str, Operation] = {}

    async def empty(self, service: str, callers: int) -> Result:
        """Empty calls straight at a service. Raises GeneratorFailedError."""
        short = self._seconds * _EMPTY_SHARE
        target = self._world.address(service)
        return await generate(self._plan(service, operations.empty(), target, callers, short, _EMPTY_WARM_S))

    async def once(self, case: Case, via: str, callers: int) -> Result:
        """One round of an operation. Raises GeneratorFailedError."""
        operation = self._made.get(case.name) or case.operation(self._world.seed, self._most)
        self._made[case.name] = operation
        if case.cached:
            await self._warm(operation)
        target = self._world.address(case.service if via == SERVICE else "gateway")
        plan = self._plan(case.service, operation, target, callers, self._seconds, min(_WARM_S, self._seconds))
        return await (self._uncached(plan) if case.uncached else generate(plan))

    async def bare(self, case: Case, callers: int) -> Bare | None:
        """The case's part in its store, with as many at once as that many callers cause; None where it has none that
        can be told. Raises PgbenchFailedError."""
        stores = self._world.stack.stores
        if case.sql is not None:
            database, script = case.sql
            server = self._world.stack.pid("postgres")
            url = stores.postgres_url(database)
            return await postgres.measure(url, script, min(callers, POOL), self._seconds / 2, self._world.sizes, server)
        operation = case.operation(self._world.seed, valkey.RECORDED_IDS)
        socket = self._world.address(case.replayed)
        if case.cached:
            await self._warm(operation)
        recording = await valkey.record(socket, self._world.address(case.service), operation)
        if recording is None:
            return None
        server = self._world.stack.pid(case.replayed)
        return await valkey.replay(socket, recording, callers, self._seconds / 2, server)

    def _plan(
        self, service: str, operation: Operation, target: str, callers: int, seconds: float, warm_s: float
    ) -> Plan:
        return Plan(
            target,
            [operation],
            callers=callers,
            connections=min(callers, CONNECTIONS),
            seconds=seconds,
            warm_s=warm_s,
            charge=self._world.pids(service),
        )

    async def _warm(self, operation: Operation) -> None:
        """Puts the players that an operation names into the cache: reads them through the service, many at once."""
        named: set[str] = set()
        for each in operation.requests:
            # One id or many: both messages have them in the same field.
            named.update(profile_pb2.BatchGetPlayersRequest.FromString(each.body).player_ids)
        ids = list(named)
        async with aio.insecure_channel(self._world.address("profile")) as channel:
            read = ProfileServiceStub(channel).BatchGetPlayers
            for at in range(0, len(ids), _BATCH):
                request = profile_pb2.BatchGetPlayersRequest(player_ids=ids[at : at + _BATCH])
                await read(request, timeout=_BOUND_S)

    async def _uncached(self, plan: Plan) -> Result:
        """Runs a plan with an empty cache to begin with, which is kept from filling up."""
        cache = Pipeline(self._world.address("cache"))
        cache.ask([b"FLUSHALL"])
        keeping = asyncio.create_task(_keep_empty(cache, _FULL * len(plan.operations[0].requests)))
        try:
            return await generate(plan)
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            cache.close()


async def _keep_empty(cache: Pipeline, full: float) -> None:
    """Empties the cache again whenever most of the players that a run asks for are in it, until cancelled.

    The run asks for every one of them once before any a second time. So a player is asked for again only when all the
    others have been, and by then the cache has been emptied.
    """
    while True:
        if cache.ask([b"DBSIZE"]) > full:
            cache.ask([b"FLUSHALL"])
        await asyncio.sleep(_LOOK_EVERY_S)


def row(
    case: Case, via: str, callers: int, rounds: Sequence[Measure], bare: Bare | None, peer: Peer
) -> tuple[Row, Beside]:
    """What the rounds of one operation come to. Ratios are taken within a round, and then their medians: the machine's
    speed drifts from one to the next."""

    def middle(of: Callable[[Measure], float]) -> float:
        return statistics.median(of(measure) for measure in rounds)

    def right(measure: Measure) -> Times:
        return measure.result.operations[case.name].right

    calls_per_s = middle(lambda m: m.result.calls_per_s)
    scaled = peer.scaled(case.name, callers, middle(lambda m: m.empty_calls_per_s))
    failures: Counter[str] = Counter()
    samples: dict[str, Sequence[str]] = {}
    for measure in rounds:
        failures.update(measure.result.failed)
        samples |= measure.result.operations[case.name].samples
    measured = Row(
        operation=case.name,
        via=via,
        callers=callers,
        calls_per_s=calls_per_s,
        items_per_s=calls_per_s * case.items,
        p50_ms=middle(lambda m: right(m).p50_ms),
        p99_ms=middle(lambda m: right(m).p99_ms),
        service_cpu_us=middle(lambda m: m.result.charged_us("service")),
        gateway_cpu_us=middle(lambda m: m.result.charged_us("gateway")) if via != SERVICE else 0.0,
        store_cpu_us=middle(lambda m: sum(m.result.charged_us(store) for store in STORES)),
        empty_calls_per_s=middle(lambda m: m.empty_calls_per_s),
        share_of_empty=middle(lambda m: m.result.calls_per_s / m.empty_calls_per_s),
        ratio_to_peer=calls_per_s / scaled.calls_per_s if scaled else None,
        errors=failures.total(),
    )
    beside = Beside(
        empty_p50_ms=middle(lambda m: m.empty_p50_ms),
        generator_cpu_us=middle(lambda m: m.result.cpu_us),
        peer_calls_per_s=scaled.calls_per_s if scaled else None,
        peer_p99_ms=scaled.p99_ms if scaled else None,
        bare=asdict(bare) if bare else None,
        failures=dict(failures),
        samples=samples,
    )
    return measured, beside
