"""Examines Valkey servers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote, urlsplit

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotInTime

from deploy.doctor.finding import Examined, Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.targets import ValkeyServer
from deploy.doctor.text import duration
from deploy.doctor.valkey import keys, memory, persistence, replication, slow, topology, traffic
from deploy.doctor.valkey.server import ANSWER_S, Info, count, server

Look = Callable[[], Awaitable[list[Finding]]]
_WITHIN_S = 10


async def examine(servers: Sequence[ValkeyServer], window_s: float, limits: Limits) -> list[Examined]:
    """What is found about each of them, and about the sentinels or nodes that lead to them. Takes a little longer than
    `window_s`."""
    meant = await asyncio.gather(*map(topology.servers_of, servers))
    found = await asyncio.gather(*(_examine(each, window_s, limits) for some, _ in meant for each in some))
    return [*(each for _, ways in meant for each in ways), *found]


async def _examine(target: ValkeyServer, window_s: float, limits: Limits) -> Examined:
    part, address = f"Valkey {target.name}", _address(target.url)
    if not address:
        # What the driver says of it may repeat the password.
        return Examined(part, address, (_not_read(target),))
    try:
        async with asyncio.timeout(window_s + _WITHIN_S), server(target.url) as client:
            findings = await _look(client, target, window_s, limits)
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        findings = [_unreachable(error, target)]
    return Examined(part, address, tuple(findings))


async def _look(client: "Redis", target: ValkeyServer, window_s: float, limits: Limits) -> list[Finding]:
    before = await client.info()
    if count(before, "loading"):
        why, do = "it answers nobody until all is read", "wait; a log that is rewritten more often is read faster"
        return [problem("connection", "the server still reads its data from the disk", why, do)]
    config = {**await _config(client, "maxmemory-policy"), **await _config(client, "appendfsync")}
    await asyncio.sleep(window_s)
    after = await client.info("everything")
    found = [
        _version(after),
        *memory.used(after, limits, keeps=target.keeps),
        *memory.policy(config.get("maxmemory-policy") or str(after.get("maxmemory_policy")), after, keeps=target.keeps),
        *(persistence.look(after, config, limits) if target.keeps else []),
        *replication.look(after, limits),
        *traffic.look(before, after, window_s, limits, keeps=target.keeps),
    ]
    looks: dict[str, Look] = {
        "latency": lambda: slow.latency(client, limits),
        "slow commands": lambda: slow.commands(client, limits),
        "memory doctor": lambda: memory.doctor(client),
        "cluster": lambda: replication.cluster(client, after),
    }
    # A replica in a cluster sends whoever asks for a key to its primary, which is looked at too.
    if not (count(after, "cluster_enabled") and after.get("role") == "slave"):
        looks["big keys"] = lambda: keys.look(client, limits)
    for check, look in looks.items():
        try:
            found.extend(await look())
        except (NotConnected, NotInTime):
            raise
        except RedisError as error:
            do = "give the user this right (ACL SETUSER), or look at it by hand"
            found.append(notice(check, f"may not be looked at: {error}", "it may hide an illness", do))
    return found


async def _config(client: "Redis", name: str) -> dict[str, str]:
    """A setting; nothing where CONFIG is forbidden, as managed servers do."""
    try:
        return {key: value for key, value in (await client.config_get(name)).items() if key and value}
    except (NotConnected, NotInTime):
        raise
    except RedisError:
        return {}


def _version(info: Info) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    number = info.get("valkey_version") or info.get("redis_version")
    up_s = count(info, "uptime_in_seconds")
    return ok("version", f"{name} {number}, up for {duration(up_s)}", version=str(number), up_s=up_s)


def _unreachable(error: Exception, target: ValkeyServer) -> Finding:
    said = str(error) or f"no answer within {ANSWER_S} s"
    if target.keeps:
        why = "the leaderboard service is NOT_SERVING, and its calls end in UNAVAILABLE"
    else:
        why = "every player is read from the database: slower, and right"
    do = "see whether the server runs and listens there, and what its log says; check host, port and password"
    return problem("connection", said, why, do)


def _not_read(target: ValkeyServer) -> Finding:
    do = f"name it as {target.name}=redis://user:password@host:port/0, with %-escapes for what is special in a URL"
    return problem("connection", "its URL cannot be read", "nothing else can be looked at", do)


def _address(url: str) -> str:
    """Where it is, without user and password; empty where that cannot be read."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return unquote(parts.path)
        return f"{parts.hostname}:{parts.port or 6379}"
    except ValueError:
        return ""
