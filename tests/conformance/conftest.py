"""Each test of a conformance suite, for each database of its kind."""

import importlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.database import Database, Environments
from tests.conformance.results import RUN, Cell, merged, read, write
from tests.conftest import Players, players_of
from tests.support.service import Service, migrate, running

_HERE = Path(__file__).parent
# What a test's report says of its database: kind, name, server.
_DATABASE = "conformance"


def databases(kind: str) -> tuple[Database, ...]:
    """Those of a kind."""
    found: tuple[Database, ...] = importlib.import_module(f"tests.conformance.{kind}.databases").DATABASES
    return found


class _Table:
    """Counts what the tests report, in the process that starts them, and keeps it."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Cell] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's set-up, call or end."""
        if report.when != "call" and report.outcome == "passed":
            return
        said: Any = dict(report.user_properties).get(_DATABASE)
        if said is None:
            # Of a kind that does not have the database which was asked for.
            return
        kind, name, server = said
        cell = self.cells.setdefault((kind, name), Cell(kind, name, server, datetime.now(UTC).date().isoformat()))
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        cell.add(report.outcome, reason)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The end of the run."""
        write(RUN, merged(read(RUN), list(self.cells.values())))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeats a test for each database that was asked for."""
    path = Path(str(metafunc.definition.path))
    if path.parent.parent != _HERE:
        return
    option = metafunc.config.getoption
    asked = [
        database
        for database in databases(path.parent.name)
        if (database.name == option("on") if option("on") else database.quick or option("every_database"))
    ]
    metafunc.parametrize("database", asked, ids=[database.name for database in asked], indirect=True, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Notes on each test what it runs against; its report carries that to the process that counts."""
    database = item.callspec.params.get("database") if hasattr(item, "callspec") else None
    if isinstance(database, Database):
        item.user_properties.append((_DATABASE, [item.path.parent.name, database.name, database.server]))


def pytest_configure(config: pytest.Config) -> None:
    """Counts where the suites are run as such, in the process that starts the others."""
    if config.getoption("every_database") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Table())


@pytest.fixture(scope="session", autouse=True)
def database(request: pytest.FixtureRequest) -> Database:
    """The one whose turn it is."""
    asked: Database = request.param
    if reason := asked.unavailable():
        pytest.skip(reason)
    return asked


@pytest.fixture(autouse=True)
def _able(request: pytest.FixtureRequest, database: Database) -> None:
    """Skips a test that needs what the database does not have."""
    for mark in request.node.iter_markers("needs"):
        if reason := database.lacks.get(mark.args[0]):
            pytest.skip(reason)


@pytest.fixture(scope="session")
async def environments(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Environments]:
    """How services are led to the database."""
    async with database.open(tmp_path_factory.mktemp("database")) as opened:
        yield opened


@pytest.fixture(scope="session")
async def profile(environments: Environments, logs: Path) -> AsyncIterator[Service]:
    """A running profile service, its database migrated."""
    await migrate("profile", environments["profile"])
    async with running("profile", {"LOG_LEVEL": "DEBUG", **environments["profile"]}, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def inventory(environments: Environments, profile: Service, logs: Path) -> AsyncIterator[Service]:
    """A running inventory service, its database migrated, which asks `profile`."""
    environment = {**environments["inventory"], "PROFILE_TARGET": profile.address}
    await migrate("inventory", environment)
    async with running("inventory", environment, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def gamelog(environments: Environments, logs: Path) -> AsyncIterator[Service]:
    """A running game log service, its database prepared."""
    await migrate("gamelog", environments["gamelog"])
    async with running("gamelog", {"LOG_LEVEL": "DEBUG", **environments["gamelog"]}, logs) as service:
        yield service


@pytest.fixture(scope="session")
async def leaderboard(environments: Environments, logs: Path) -> AsyncIterator[Service]:
    """A running leaderboard service, its table made where it needs one."""
    await migrate("leaderboard", environments["leaderboard"])
    async with running("leaderboard", environments["leaderboard"], logs) as service:
        yield service


@pytest.fixture(scope="session")
def players(profile: Service) -> Players:
    """Makes so many new players at this database's profile service. A fixture of its own: the one that all tests share
    keeps to the first service that it met."""
    return players_of(profile)
