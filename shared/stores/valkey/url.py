"""REDIS_URL: which servers it names, and how a connection to each of them is opened.

One server, the sentinels that know which server is the primary, or some nodes of a cluster. What the URL says beside
the addresses (user, password, TLS and its options, the number of the database) goes for every server that is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from shared.stores.errors import StoreUnfit
from shared.stores.url import split

SINGLE, REPLICA, CLUSTER = "single", "replica", "cluster"
# Opens nothing yet: the connection is there, and `connect` opens it.
MakeConnection = Callable[[], AbstractConnection]

CONNECT_TIMEOUT_S = 2
DEFAULT_PRIMARY = "savepoint"
_PORT, _SENTINEL_PORT = 6379, 26379
_TAKES = {
    SINGLE: "with one server it takes redis://host:port/0, rediss://… for TLS, or unix:///path?db=0",
    REPLICA: "under Sentinel it takes the sentinels and the name of what they watch, "
    "redis://sentinel1:26379,sentinel2:26379,sentinel3:26379/0?primary=savepoint, or rediss://… for TLS",
    CLUSTER: "in a cluster it takes some of the nodes, redis://node1:6379,node2:6379, or rediss://… for TLS; "
    "there is no database but 0",
}


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Servers:
    """What a URL says. `addresses` are empty for a Unix socket; `primary` is the name that sentinels watch."""

    mode: str
    addresses: tuple[Address, ...]
    primary: str
    _url: str
    _scheme: str
    _user: str
    _path: str
    _options: str

    def connection(self, address: Address | None = None) -> MakeConnection:
        """To a server that keeps data; without an address, to the only one."""
        return _maker(self._url if address is None else self._of(address, self._user, self._path))

    def sentinel(self, address: Address, password: str) -> MakeConnection:
        """To a sentinel, whose password is its own."""
        return _maker(self._of(address, f":{quote(password, safe='')}@" if password else "", ""))

    def _of(self, address: Address, user: str, path: str) -> str:
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"{self._scheme}://{user}{host}:{address.port}{path}{self._options}"


def parse(url: str, mode: str) -> Servers:
    """Raises StoreUnfit, which says what the mode takes, for a URL that cannot be used in it."""
    try:
        servers = _parsed(url, mode)
        # The driver's own checks: numbers, names of options.
        servers.connection(servers.addresses[0] if servers.addresses else None)()
    except (ValueError, TypeError, RedisError):
        # Whatever the reason: a message may repeat the password.
        raise StoreUnfit(f"setting REDIS_URL (value not shown) cannot be used: {_TAKES[mode]}") from None
    return servers


def _parsed(url: str, mode: str) -> Servers:
    parts = split(url)
    user, at, hosts = parts.netloc.rpartition("@")
    options = parse_qsl(parts.query, keep_blank_values=True)
    named = [value for name, value in options if name == "primary"]
    primary = named[0] if named else DEFAULT_PRIMARY
    # Without the database, which sentinels do not have: it stands in the path.
    others = [(name, value) for name, value in options if name not in ("primary", "db")]
    default_port = _SENTINEL_PORT if mode == REPLICA else _PORT
    is_socket = parts.scheme == "unix"
    addresses = () if is_socket else tuple(_address(host, default_port) for host in hosts.split(","))
    # One that was left out between commas would be taken for this host.
    gap = "," in hosts and not all(hosts.split(","))
    # The driver has it so: the option counts more than the path.
    database = dict(options).get("db") or parts.path.strip("/") or "0"
    wrong = (
        (is_socket and mode != SINGLE)
        or (mode == SINGLE and (len(addresses) > 1 or named))
        or (mode == CLUSTER and (database != "0" or named))
        or not primary
        or gap
        # The driver takes such a number for 0.
        or (not is_socket and not database.isdecimal())
    )
    if wrong:
        raise ValueError(mode)
    query = "?" + urlencode(others) if others else ""
    return Servers(mode, addresses, primary, url, parts.scheme, user + at, f"/{database}", query)


def _address(text: str, default_port: int) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default_port)
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(text)
    return Address(host.removeprefix("[").removesuffix("]") or "localhost", int(port))


def _maker(url: str) -> MakeConnection:
    # No socket_timeout: opening a connection is bounded as a whole, and so is waiting for an answer.
    pool = ConnectionPool.from_url(url, protocol=3, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=None)
    return pool.make_connection
