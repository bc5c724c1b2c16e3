"""Examines databases, and the servers that they are on, each server once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from deploy.doctor.finding import Examined, Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.named import SERVICES_FOLDER
from deploy.doctor.postgres import (
    activity,
    connections,
    defined,
    indexes,
    locks,
    migrations,
    replication,
    scans,
    server,
    statements,
    tables,
    transactions,
    upkeep,
)
from deploy.doctor.postgres.session import CONNECT_S, Row, Session, session
from deploy.doctor.targets import Database
from deploy.doctor.text import duration, names
from shared.stores.errors import StoreUnfit
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.migrations import by_version

_LIMITED = ("too many clients", "remaining connection slots", "too many connections")
_BLIND = notice(
    "rights",
    "this user sees what its own sessions do, and no others",
    "lock waits, long transactions and slow statements of others stay hidden",
    "GRANT pg_monitor to it",
)
# Each question has its own bound; this one is for all questions to a server or a database together.
_WITHIN_S = 15
Look = Callable[[], Awaitable[list[Finding]]]


@dataclass(frozen=True)
class _Open:
    """A database that answers. `who` is the row of the query `server`."""

    target: Database
    session: Session
    who: Row


async def examine(
    databases: Sequence[Database], pool_sizes: Mapping[str, int], window_s: float, limits: Limits
) -> list[Examined]:
    """What is found about each server and each database. `pool_sizes` are the connections that a service's processes
    may open together, as far as that is known. Takes a little longer than `window_s`."""
    async with AsyncExitStack() as stack:
        reached = await asyncio.gather(*(_reach(database, stack) for database in databases))
        opened = [each for each in reached if isinstance(each, _Open)]
        dead = [each for each in reached if isinstance(each, Examined)]
        servers: dict[tuple[str, str], list[_Open]] = {}
        for each in opened:
            # A replica has its primary's identifier.
            servers.setdefault((each.who["identifier"], each.who["started"]), []).append(each)
        # A session answers one question at a time: first the servers are looked at, then the databases.
        of_servers = await asyncio.gather(*(_server(on_it, pool_sizes, limits) for on_it in servers.values()))
        of_databases = await asyncio.gather(*(_database(each, window_s, limits) for each in opened))
        return [*dead, *_primaries([on_it[0] for on_it in servers.values()]), *of_servers, *of_databases]


def _primaries(servers: Sequence[_Open]) -> list[Examined]:
    """Servers that began as one, and of which more than one takes writes."""
    found = []
    for identifier in {each.who["identifier"] for each in servers}:
        primaries = [each for each in servers if each.who["identifier"] == identifier and not each.who["replica"]]
        if len(primaries) > 1:
            where = names(_address(each.target.url) for each in primaries)
            why = "each takes writes that the other does not have: what one of them took is lost in the end"
            do = "stop all but one at once, the one that services write to; make replicas of the others (pg_rewind)"
            finding = problem("primaries", f"{len(primaries)} copies of one server take writes", why, do)
            found.append(Examined("PostgreSQL", where, (finding,)))
    return found


async def _reach(database: Database, stack: AsyncExitStack) -> _Open | Examined:
    part, address = f"database {database.name}", _address(database.url)
    try:
        # libpq's own timeout does not bound everything, such as the look-up of a name.
        async with asyncio.timeout(CONNECT_S * 2):
            opened = await stack.enter_async_context(session(database.url))
            if opened.cockroach:
                return Examined(part, address, (_cockroach(opened.cockroach),))
            return _Open(database, opened, await opened.row("server"))
    except StoreUnfit as error:
        why, do = "nothing else can be looked at", "name it as postgresql://user:password@host:port/database"
        return Examined(part, address, (problem("connection", str(error), why, do),))
    except TimeoutError:
        return Examined(part, address, (_unreachable(f"no answer within {CONNECT_S * 2} s"),))
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        if any(sign in said for sign in _LIMITED):
            why = "services that start, or have lost a connection, get none, and answer UNAVAILABLE"
            do = "end connections that nobody needs (a superuser still gets in), then raise max_connections or lower "
            do += "CONNECTION_POOL_SIZE"
            return Examined(part, address, (problem("connections", f"it takes no more: {said}", why, do),))
        return Examined(part, address, (_unreachable(said),))


def _cockroach(version: str) -> Finding:
    why, do = "it has other statistics than PostgreSQL", "look at its own console"
    return notice("connection", f"it answers, and is CockroachDB {version}: nothing more is looked at", why, do)


def _unreachable(said: str) -> Finding:
    why = "the service over it is NOT_SERVING, and its calls end in UNAVAILABLE"
    do = "see whether the server runs and listens there, and what its log says; check host, port, user and password"
    return problem("connection", said, why, do)


async def _server(on_it: Sequence[_Open], pool_sizes: Mapping[str, int], limits: Limits) -> Examined:
    first = on_it[0]
    pools = sum(pool_sizes.get(service, 0) for service in {each.target.service for each in on_it})
    asked, replica = first.session, first.who["replica"]
    part = f"PostgreSQL of {' and '.join(dict.fromkeys(each.target.name for each in on_it))}"
    address = _address(first.target.url).rpartition("/")[0]
    try:
        settings = await server.settings_of(asked)
    except psycopg.Error as error:
        return Examined(part, address, (_not_looked_at("settings", error),))
    looks: dict[str, Look] = {
        "connections": lambda: connections.look(asked, settings, pools, limits),
        "lock waits": lambda: locks.look(asked, limits),
        "transactions": lambda: transactions.look(asked, limits),
        "replication": lambda: replication.look(asked, settings, limits, replica=replica),
        "wraparound": lambda: upkeep.wraparound(asked, limits),
        "checkpoints": lambda: upkeep.checkpoints(asked, settings, limits),
    }
    found = [
        *server.version(asked.version, date.today()),
        ok("up", f"for {duration(first.who['up_s'])}", up_s=round(first.who["up_s"])),
        *server.settings(settings),
        *([] if first.who["sees_all"] else [_BLIND]),
        *await _all(looks, _WITHIN_S),
    ]
    return Examined(part, address, tuple(found))


async def _database(opened: _Open, window_s: float, limits: Limits) -> Examined:
    asked, target = opened.session, opened.target

    async def active() -> list[Finding]:
        before = await asked.row("database")
        await asyncio.sleep(window_s)
        return activity.look(before, await asked.row("database"), window_s, limits)

    async def schema() -> list[Finding]:
        if not target.service:
            return await indexes.look(asked, {}, limits)
        needed = by_version(SERVICES_FOLDER / target.service, POSTGRESQL)
        applied = await migrations.applied_to(asked)
        made = defined.indexes(needed[version] for version in sorted(needed.keys() & applied))
        return [*migrations.look(target.service, applied, needed.keys()), *await indexes.look(asked, made, limits)]

    looks: dict[str, Look] = {
        "work": active,
        "schema": schema,
        "statements": lambda: statements.look(asked, limits),
        "scans": lambda: scans.look(asked, limits),
        "dead rows": lambda: tables.dead_rows(asked, limits),
        "sizes": lambda: tables.sizes(asked),
    }
    return Examined(f"database {target.name}", _address(target.url), tuple(await _all(looks, window_s + _WITHIN_S)))


async def _all(looks: Mapping[str, Look], within_s: float) -> list[Finding]:
    """One after the other. What is left when the time is over is left out, and that is a finding too."""
    found: list[Finding] = []
    check = ""
    try:
        async with asyncio.timeout(within_s):
            for check, look in looks.items():
                try:
                    found.extend(await look())
                except psycopg.Error as error:
                    found.append(_not_looked_at(check, error))
    except TimeoutError:
        what = f"at {check} the time of {duration(within_s)} was over"
        found.append(problem("connection", what, "the server hardly answers", "look at its CPU, disk and network"))
    return found


def _not_looked_at(check: str, error: psycopg.Error) -> Finding:
    said = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        do = "GRANT pg_monitor to this user, or name one that has it"
        return notice(check, f"may not be looked at: {said}", "it may hide an illness", do)
    if isinstance(error, psycopg.errors.QueryCanceled | psycopg.errors.LockNotAvailable):
        do = "look again when the server is less busy; lock waits may say what holds it up"
        return notice(check, f"could not be looked at in time: {said}", "it may hide an illness", do)
    if error.sqlstate is None or isinstance(error, psycopg.OperationalError):
        why = "the server died, or ended this session"
        return problem(check, f"the connection was lost: {said}", why, "see the server's log, then look again")
    return notice(check, f"could not be looked at: {said}", "it may hide an illness", "look at it by hand")


def _address(url: str) -> str:
    """Where it is, without user and password."""
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return urlsplit(url).hostname or ""
    host, port = options.get("host") or "", options.get("port") or ""
    return f"{host}{f':{port}' if port else ''}/{options.get('dbname') or ''}"
