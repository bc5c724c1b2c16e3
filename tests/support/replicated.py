"""PostgreSQL with replicas, which a test may kill, freeze and delay, and profile and inventory services over it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from prometheus_client.parser import text_string_to_metric_families
from savepoint.inventory.v1 import inventory_pb2 as inventory
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.profile.v1 import profile_pb2 as profile
from savepoint.profile.v1 import wallet_pb2 as wallet
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local.embedded import Silent
from deploy.local.layout import Layout
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.replicated_postgres import ReplicatedPostgres
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack
from deploy.local.stores import Stores
from tests.support.service import Service, migrate, running

if TYPE_CHECKING:
    # Only in the stubs' types.
    from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceAsyncStub
    from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceAsyncStub
    from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceAsyncStub

Answer = TypeVar("Answer")

BOUND_S = 20
TOKEN = "consistency_token"


class Further(ReplicatedPostgres):
    """One more replica of the primary of a pair."""

    def __init__(self, layout: Layout, name: str, primary: Postgres) -> None:
        assert isinstance(primary, ReplicatedPostgres)
        super().__init__(layout, name, synchronous=False)
        self.peer = primary
        self.needs = (primary.name,)


class Servers:
    """A primary and its replicas; what dies is started again."""

    def __init__(self, directory: Path, replicas: int, **chosen: str) -> None:
        layout = Layout.of(directory)
        self.stores = Stores(layout, StackSettings.on_free_ports(1, **chosen))
        assert self.stores.replica is not None
        further = [Further(layout, f"postgres-replica-{n}", self.stores.postgres) for n in range(2, replicas + 1)]
        self.replicas: list[ReplicatedPostgres] = [self.stores.replica, *further]
        # Whether DATABASE_URL names the first replica too, in mode replica.
        self.several_hosts = False
        self.stack = Stack(layout, [*self.stores.parts, *further], {}, Silent())

    @property
    def primary(self) -> ReplicatedPostgres:
        assert isinstance(self.stores.postgres, ReplicatedPostgres)
        return self.stores.postgres

    def environment(self, database: str) -> dict[str, str]:
        """As a service of this database is told its stores."""
        environment = {**self.stores.sql(database).settings, "REDIS_URL": self.stores.cache_url}
        if environment["REPLICATION_MODE"] == "replica":
            environment["DATABASE_REPLICA_URLS"] = ",".join(replica.url(database) for replica in self.replicas)
        if self.several_hosts:
            environment["DATABASE_URL"] += f",{self.replicas[0].sockets}"
        return environment

    async def delay(self, text: str) -> None:
        """Has every replica replay a commit only when it is so old."""
        for replica in self.replicas:
            await replica.ask(f"ALTER SYSTEM SET recovery_min_apply_delay = '{text}'")
            assert await replica.ask("SELECT pg_reload_conf()") == "t"

    def kill(self, part: Postgres) -> None:
        """As a crash would; it is started again."""
        self.stack.units[part.name].kill()

    def kill_for_good(self, part: Postgres) -> None:
        """As a crash of its machine would: nobody starts it again, until `start`."""
        keeper = self.stack.units[part.name]._keeper
        assert keeper is not None
        keeper.cancel()
        self.kill(part)

    async def start(self, part: Postgres) -> None:
        """Starts what was killed for good."""
        await self.stack.units[part.name].start()


@asynccontextmanager
async def servers(directory: Path, replicas: int = 1, **chosen: str) -> AsyncIterator[Servers]:
    """They run while the context is open; `chosen` are settings of the stack."""
    made = Servers(directory, replicas, **chosen)
    await made.stack.claim({})
    await made.stack.start()
    try:
        yield made
    finally:
        await made.stack.stop()


@dataclass(frozen=True)
class Services:
    """Profile and inventory, and the calls that these tests make."""

    profile: Service
    inventory: Service
    players: "ProfileServiceAsyncStub"
    wallets: "WalletServiceAsyncStub"
    items: "InventoryServiceAsyncStub"

    async def player(self) -> tuple[str, str]:
        """The id and the name of a new player."""
        name = f"p{uuid.uuid4().hex[:20]}"
        request = profile.CreatePlayerRequest(username=name, email=f"{name}@example.com")
        return (await self.players.CreatePlayer(request, timeout=BOUND_S)).player.player_id, name


@asynccontextmanager
async def services(over: Servers, logs: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Services]:
    """Migrated and running while the context is open."""
    async with services_with(lambda name: {**over.environment(name), **(settings or {})}, logs) as running_services:
        yield running_services


@asynccontextmanager
async def services_with(environment_of: Callable[[str], Mapping[str, str]], logs: Path) -> AsyncIterator[Services]:
    """Likewise with any environment for each of them."""
    async with AsyncExitStack() as stack:
        started = []
        others: dict[str, str] = {}
        for name in ("profile", "inventory"):
            environment = {**environment_of(name), **others}
            await migrate(name, environment)
            started.append(await stack.enter_async_context(running(name, environment, logs)))
            others = {"PROFILE_TARGET": started[0].address}
        of_profile, of_inventory = started
        yield Services(
            of_profile,
            of_inventory,
            ProfileServiceStub(of_profile.channel),
            WalletServiceStub(of_profile.channel),
            InventoryServiceStub(of_inventory.channel),
        )


async def told(call: Any) -> tuple[Any, str]:
    """The answer of a call under way, and the token that came with it."""
    answer = await call
    [token] = [value for key, value in await call.trailing_metadata() if key == TOKEN]
    return answer, token


async def found(call: Awaitable[Answer]) -> Answer | None:
    """The answer; None where what is asked for is not there."""
    try:
        return await call
    except aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return None


def bringing(token: str | None) -> tuple[tuple[str, str], ...]:
    return ((TOKEN, token),) if token else ()


def grants(player_id: str) -> inventory.GrantItemRequest:
    grant = inventory.ItemGrant(player_id=player_id, item_type="potion", item_id="red", quantity=1)
    return inventory.GrantItemRequest(request_id=str(uuid.uuid4()), grant=grant)


def gets(player_id: str) -> inventory.GetItemRequest:
    return inventory.GetItemRequest(player_id=player_id, item_type="potion", item_id="red")


def adjusts(player_id: str, delta: int = 1) -> wallet.AdjustCoinsRequest:
    return wallet.AdjustCoinsRequest(request_id=str(uuid.uuid4()), player_id=player_id, delta=delta, reason="test")


def turns(player_id: str, turn: int, etag: str | None = None) -> profile.UpdatePlayerRequest:
    """Sets the player's attribute `turn`."""
    attributes = Struct()
    attributes["turn"] = turn
    return profile.UpdatePlayerRequest(
        player=profile.Player(player_id=player_id, attributes=attributes, etag=etag),
        update_mask=FieldMask(paths=["attributes"]),
    )


async def served(service: Service) -> dict[str, float]:
    """How many queries each of a service's SQL servers has run for it, by the store's label."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(await service.scrape()):
        for sample in family.samples:
            if sample.name == "db_query_duration_seconds_count" and sample.labels["query_type"] == "select":
                store = sample.labels["store"]
                found[store] = found.get(store, 0) + sample.value
    return {store: count for store, count in found.items() if store.startswith("postgresql")}


async def in_parallel(callers: int, count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """Runs `one(number)` for each number below `count`, by so many callers at once."""
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            await one(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
