"""Which servers a URL with several addresses means: those that sentinels watch, or the nodes of a cluster. Each address
is asked what it is."""

from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlunsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from deploy.doctor.finding import Examined, Finding, ok, problem
from deploy.doctor.targets import ValkeyServer
from deploy.doctor.valkey.server import server
from shared.stores.url import split

_DEFAULT_PRIMARY = "savepoint"
_PORT, _SENTINEL_PORT = 6379, 26_379
_GONE = {"fail", "noaddr", "handshake"}


async def servers_of(target: ValkeyServer) -> tuple[list[ValkeyServer], list[Examined]]:
    """The servers that hold the data, and what is found about the addresses that only lead to them."""
    try:
        parts = split(target.url)
    except ValueError:
        # Whoever connects says so.
        return [target], []
    addresses = parts.netloc.rpartition("@")[2].split(",")
    watched = dict(parse_qsl(parts.query)).get("primary")
    if parts.scheme == "unix" or (len(addresses) == 1 and watched is None):
        return [target], []
    examined, known = [], dict[str, None]()
    for address in addresses:
        try:
            findings, servers = await _ask(target, address, watched or _DEFAULT_PRIMARY)
        except (RedisError, OSError, ValueError) as error:
            why = "when too many of them are gone, the rest cannot agree on a failover"
            do = "see whether it runs and listens there, and what its log says"
            findings, servers = [problem("connection", str(error) or "no answer in time", why, do)], []
        known |= dict.fromkeys(servers)
        if findings:
            examined.append(Examined(f"way to Valkey {target.name}", address, tuple(findings)))
    return [ValkeyServer(f"{target.name} {each}", _at(target.url, each), target.keeps) for each in known], examined


async def _ask(target: ValkeyServer, address: str, watched: str) -> tuple[list[Finding], list[str]]:
    """What one of the addresses is found to be, and the servers that it knows. Raises RedisError, OSError."""
    # The user and password in the URL are those of the data. A sentinel does not know them.
    async with server(_of_sentinel(target, address)) as client:
        if await _mode(client) == "sentinel":
            return await _sentinel(client, watched)
    async with server(_at(target.url, address)) as client:
        if await _mode(client) == "cluster":
            nodes = await client.execute_command("CLUSTER NODES")  # type: ignore[no-untyped-call]
            return [], [name for name, node in nodes.items() if not _GONE & set(node["flags"].split(","))]
    return [], [address]


async def _mode(client: "Redis") -> str:
    """What kind of server it is; empty where it does not say so to a stranger."""
    try:
        info = await client.info("server")
    except (AuthenticationError, NoPermissionError):
        return ""
    return str(info.get("server_mode") or info.get("redis_mode") or "")


async def _sentinel(client: "Redis", watched: str) -> tuple[list[Finding], list[str]]:
    primary: dict[str, Any] = dict(await client.sentinel_master(watched))  # type: ignore[arg-type]
    replicas: list[dict[str, Any]] = list(await client.sentinel_slaves(watched))
    places = [f"{each['ip']}:{each['port']}" for each in (primary, *replicas)]
    flags = set(str(primary["flags"]).split(","))
    what = (
        f"watches {watched}: {places[0]} with {len(replicas)} replicas, and {primary['num-other-sentinels']} sentinels"
    )
    if {"s_down", "o_down"} & flags:
        why = "nothing is written until a replica has taken its place"
        do = "wait for the failover; where none comes, see this sentinel's log"
        return [problem("sentinel", f"{what}; the primary does not answer", why, do)], places
    try:
        await client.execute_command("SENTINEL CKQUORUM", watched)  # type: ignore[no-untyped-call]
    except ResponseError as error:
        why, do = "when the primary dies, no replica takes its place", "bring back the other sentinels"
        return [problem("sentinel", f"{what}; {error}", why, do)], places
    return [ok("sentinel", f"{what}; enough to decide a failover")], places


def _at(url: str, address: str) -> str:
    """The same URL for one of its servers."""
    parts = split(url)
    user, at, _ = parts.netloc.rpartition("@")
    options = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "primary"])
    return urlunsplit((parts.scheme, f"{user}{at}{_with_port(address, _PORT)}", parts.path, options, ""))


def _of_sentinel(target: ValkeyServer, address: str) -> str:
    parts = split(target.url)
    # TLS goes for the sentinels too; a name to watch and a database they do not take.
    options = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in ("primary", "db")])
    user = f":{quote(target.sentinel_password, safe='')}@" if target.sentinel_password else ""
    place = _with_port(address, _SENTINEL_PORT if "primary=" in target.url else _PORT)
    return urlunsplit((parts.scheme, f"{user}{place}", "", options, ""))


def _with_port(address: str, port: int) -> str:
    return address if ":" in address else f"{address}:{port}"
