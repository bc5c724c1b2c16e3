"""Real stores and real service processes, started once for all tests."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from savepoint.profile.v1 import profile_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from deploy.local.embedded import stores as embedded_stores
from deploy.local.stores import Stores
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces
from tests.support.service import Service, migrate, running

# First the three that every newcomer tries; then from the quick ones to the whole.
ORDER = ("test_newcomers_three.py", "unit", "interop", "conformance", "integration", "wire", "e2e")

Players = Callable[[int], Awaitable[list[str]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which databases the conformance suites run against, and whether the tests that take minutes run too."""
    parser.addoption("--every-database", action="store_true", help="the conformance suites on every database")
    parser.addoption("--on", default="", help='the conformance suites on this database alone, say "PostgreSQL 16"')
    parser.addoption("--thorough", action="store_true", help="run the tests marked thorough too, which take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the thorough tests unless they are asked for. Puts the others into ORDER, and what shares servers into
    one process: a file, a database of the conformance suites."""
    if not config.getoption("--thorough"):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: next(place for place, name in enumerate(ORDER) if name in item.path.parts))
    for item in items:
        callspec = getattr(item, "callspec", None)
        database = callspec.params.get("database") if callspec and "conformance" in item.path.parts else None
        item.add_marker(
            pytest.mark.xdist_group(f"{item.path.parent.name} on {database.name}" if database else str(item.path))
        )


@pytest.fixture(scope="session")
async def stores(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    """PostgreSQL and both Valkeys."""
    async with embedded_stores(tmp_path_factory.mktemp("stores")) as running_stores:
        yield running_stores


@pytest.fixture(scope="session")
def metrics() -> Iterator[Metrics]:
    """The instruments of the test's process."""
    made = Metrics()
    yield made
    made.close()


@pytest.fixture(scope="session")
def store_telemetry(metrics: Metrics) -> StoreTelemetry:
    """Measures the test's own queries."""
    return StoreTelemetry("tests", metrics, Traces("tests", ""), slow_query_ms=500)


@pytest.fixture(scope="session")
async def profile_environment(stores: Stores) -> dict[str, str]:
    """How a profile service is told its stores, the database migrated."""
    environment = {"DATABASE_URL": stores.postgres_url("profile"), "REDIS_URL": stores.cache_url, "LOG_LEVEL": "DEBUG"}
    await migrate("profile", environment)
    return environment


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the services log to."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
async def profile(profile_environment: dict[str, str], logs: Path) -> AsyncIterator[Service]:
    """A running profile service."""
    async with running("profile", profile_environment, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def inventory(stores: Stores, profile: Service, logs: Path) -> AsyncIterator[Service]:
    """A running inventory service, which asks `profile`."""
    environment = {"DATABASE_URL": stores.postgres_url("inventory"), "PROFILE_TARGET": profile.address}
    await migrate("inventory", environment)
    async with running("inventory", environment, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def leaderboard(stores: Stores, logs: Path) -> AsyncIterator[Service]:
    """A running leaderboard service."""
    async with running("leaderboard", {"REDIS_URL": stores.ranks_url}, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def gamelog(stores: Stores, logs: Path) -> AsyncIterator[Service]:
    """A running game log service."""
    environment = stores.game_log().settings
    await migrate("gamelog", environment)
    async with running("gamelog", environment, logs) as service:
        yield service


@pytest.fixture(scope="session")
def players(profile: Service) -> Players:
    """Makes so many new players and returns their ids."""
    return players_of(profile)


def players_of(profile: Service) -> Players:
    """Likewise at any profile service."""
    stub = ProfileServiceStub(profile.channel)

    async def make(count: int) -> list[str]:
        made = []
        for _ in range(count):
            name = f"p{uuid.uuid4().hex[:20]}"
            request = profile_pb2.CreatePlayerRequest(username=name, email=f"{name}@example.com")
            made.append((await stub.CreatePlayer(request)).player.player_id)
        return made

    return make
