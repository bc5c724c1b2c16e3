"""Examines MongoDB servers: whether they answer, their connections, their replica set, what they hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from deploy.doctor.finding import Examined, Finding, graded, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.targets import MongoServer
from deploy.doctor.text import duration, names, percent, size

_ANSWER_MS = 3000
_WITHIN_S = 15
_WELL = ("PRIMARY", "SECONDARY", "ARBITER")
_SLOW_S = 5
# No MongoDB takes so few connections in all; a server that says so does not count those that it has left.
_FEWEST = 100
Client = AsyncMongoClient[dict[str, Any]]
Look = Callable[[], Awaitable[list[Finding]]]


async def examine(servers: Sequence[MongoServer], limits: Limits) -> list[Examined]:
    """What is found about each of them."""
    return list(await asyncio.gather(*(_examine(each, limits) for each in servers)))


async def _examine(target: MongoServer, limits: Limits) -> Examined:
    address = ""
    try:
        parsed = parse_uri(target.url)
        address = ",".join(f"{host}:{port}" for host, port in parsed["nodelist"])
        await _reach(parsed["nodelist"])
        client: Client = AsyncMongoClient(
            target.url, serverSelectionTimeoutMS=_ANSWER_MS, socketTimeoutMS=_ANSWER_MS, connectTimeoutMS=_ANSWER_MS
        )
        async with asyncio.timeout(_WITHIN_S), client:
            findings = await _look(client, parsed["database"] or "admin", limits)
    except (PyMongoError, OSError, TimeoutError, ValueError) as error:
        why = "the game log is NOT_SERVING, and its calls end in UNAVAILABLE"
        do = "see whether the server runs and listens there, and what its log says; check host, user and password"
        said = " ".join(str(error).split())[:300] or f"no answer within {_WITHIN_S} s"
        findings = [problem("connection", said, why, do)]
    return Examined(f"MongoDB {target.name}", address, tuple(findings))


async def _reach(nodes: Sequence[tuple[str, int]]) -> None:
    """Raises OSError or TimeoutError where none of them takes a connection. The driver would say so only after a while,
    and leave a socket open that it was about to use."""
    for number, (host, port) in enumerate(nodes):
        try:
            async with asyncio.timeout(_ANSWER_MS / 1000):
                _, writer = await asyncio.open_connection(host, port)
        except OSError:
            if number == len(nodes) - 1:
                raise
        else:
            writer.close()
            await writer.wait_closed()
            return


async def _look(client: Client, database: str, limits: Limits) -> list[Finding]:
    began = time.perf_counter()
    await client.admin.command("ping")
    took_ms = 1000 * (time.perf_counter() - began)
    version = str((await client.admin.command("buildInfo"))["version"])
    found = [
        ok("version", f"{version}; the first answer took {duration(took_ms / 1000)}", version=version, ping_ms=took_ms)
    ]
    looks: dict[str, Look] = {
        "connections": lambda: _connections(client, limits),
        "replica set": lambda: _replica_set(client, limits),
        "operations": lambda: _operations(client),
        "sizes": lambda: _sizes(client, database),
    }
    for check, look in looks.items():
        try:
            found.extend(await look())
        except OperationFailure as error:
            said = " ".join(str(error.details.get("errmsg") if error.details else error).split())
            do = "give the user the role clusterMonitor, where the server knows this command at all"
            found.append(notice(check, f"may not be looked at: {said}", "it may hide an illness", do))
    return found


async def _connections(client: Client, limits: Limits) -> list[Finding]:
    status = await client.admin.command("serverStatus")
    counted = status.get("connections") or {}
    if "available" not in counted:
        return []
    used, free = int(counted["current"]), int(counted["available"])
    if used + free < _FEWEST:
        return [ok("connections", f"{used} are open", used=used)]
    ratio = used / max(1, used + free)
    what, figures = f"{used} of {used + free} are open ({percent(ratio)})", {"used": used, "room": used + free}
    if ratio < limits.connections_notice_ratio:
        return [ok("connections", what, **figures)]
    why = "when all are taken, the game log gets none, and answers UNAVAILABLE"
    severe = ratio >= limits.connections_problem_ratio
    return [graded(severe)("connections", what, why, "end those that nobody needs, or raise maxConns", **figures)]


async def _replica_set(client: Client, limits: Limits) -> list[Finding]:
    if not (await client.admin.command("hello")).get("setName"):
        why = "what the server had acknowledged may be lost with its disk, and while it is down nothing is taken"
        return [notice("replica set", "a server of its own, without replicas", why, "make it a replica set of three")]
    members = (await client.admin.command("replSetGetStatus"))["members"]
    primary = [each for each in members if each["stateStr"] == "PRIMARY"]
    down = [each for each in members if each["stateStr"] not in _WELL or not each.get("health", 1)]
    found = []
    if not primary:
        why, do = "nothing is written until one is chosen", "bring back most of the members: rs.status() shows them"
        found.append(problem("replica set", "there is no primary", why, do))
    if down:
        what = names(f"{each['name']} is {each['stateStr']}" for each in down)
        why = "one more that fails may be one too many: writes need most of the members"
        found.append(problem("replica set", what, why, "start it again, and see its log", down=len(down)))
    for each in members:
        if primary and each["stateStr"] == "SECONDARY" and each.get("optimeDate") and primary[0].get("optimeDate"):
            lag = (primary[0]["optimeDate"] - each["optimeDate"]).total_seconds()
            if lag >= limits.lag_notice_s:
                what = f"{each['name']} is {duration(lag)} behind the primary"
                why = "a failover to it has to make that up, and writes that wait for it wait"
                do = "look at its disk, CPU and network"
                found.append(graded(lag >= limits.lag_problem_s)("replica set", what, why, do, lag_s=lag))
    return found or [ok("replica set", f"{len(members)} members, all well", members=len(members))]


async def _operations(client: Client) -> list[Finding]:
    running = (await client.admin.command({"currentOp": 1, "active": True, "secs_running": {"$gte": _SLOW_S}}))[
        "inprog"
    ]
    slow = [each for each in running if each.get("ns") and each.get("secs_running", 0) >= _SLOW_S]
    if not slow:
        return [ok("operations", f"none has run for {_SLOW_S} s")]
    longest = max(slow, key=lambda each: float(each["secs_running"]))
    what = f"{len(slow)} run for more than {_SLOW_S} s, the longest for {longest['secs_running']} s on {longest['ns']}"
    why = "each reads much, and pushes what others need out of memory"
    do = f"db.currentOp() shows them; db.killOp({longest.get('opid')}) ends it; look for an index that is missing"
    return [notice("operations", what, why, do, running=len(slow))]


async def _sizes(client: Client, database: str) -> list[Finding]:
    stats = await client[database].command("dbStats")
    data, indexes, objects = (int(stats.get(name, 0)) for name in ("storageSize", "indexSize", "objects"))
    what = f"{database}: {objects:,} documents, {size(data)} + {size(indexes)} of indexes"
    return [ok("sizes", what, documents=objects, data_bytes=data, indexes_bytes=indexes)]
