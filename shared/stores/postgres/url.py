"""DATABASE_URL, and whether its connections are encrypted.

The service's driver and dbmate have different defaults: one silently goes without encryption where the server has
none, the other does not connect at all. So neither is left to its default.
"""

import ipaddress

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.stores.errors import StoreUnfit

# They say "encrypted if you can", which an attacker on the way turns into "not encrypted".
_UNDECIDED = ("prefer", "allow")
# How libpq and dbmate's driver say that the server has no TLS.
_NO_TLS = ("server does not support SSL", "SSL is not enabled on the server")
UNENCRYPTED = (
    "DATABASE_URL names a server on another host that takes no encrypted connections; "
    "to connect without encryption, ask for it with ?sslmode=disable"
)


def sslmode(url: str) -> str:
    """What a connection to this URL does about encryption. An sslmode in the URL counts, else PGSSLMODE; without
    either, and for `prefer` and `allow`, it is `disable` for a socket or this host, and `require` for any other. Raises
    StoreUnfit for no URL."""
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's message may repeat the password.
        raise StoreUnfit(
            "setting DATABASE_URL cannot be read: it takes postgresql://user:password@host:port/database, "
            "with %-escapes for what is special in a URL"
        ) from None
    mode = options.get("sslmode") or _environments_mode()
    if mode and mode not in _UNDECIDED:
        return str(mode)
    hosts = str(options.get("hostaddr") or options.get("host") or "").split(",")
    return "disable" if all(_is_here(host) for host in hosts) else "require"


def conninfo(url: str, *, writable: bool = False) -> str:
    """What the driver takes for this URL. `writable` asks for the one of several servers that takes writes, unless the
    URL itself says which it wants. Raises StoreUnfit likewise."""
    mode = sslmode(url)
    if writable and "target_session_attrs" not in conninfo_to_dict(url):
        return make_conninfo(url, sslmode=mode, target_session_attrs="read-write")
    return make_conninfo(url, sslmode=mode)


def has_several_hosts(url: str) -> bool:
    """Whether the URL names several servers. Raises StoreUnfit likewise."""
    sslmode(url)
    options = conninfo_to_dict(url)
    return "," in str(options.get("hostaddr") or options.get("host") or "")


def says_no_tls(message: str) -> bool:
    """Whether a driver's message says that encryption was asked for and the server has none."""
    return any(text in message for text in _NO_TLS)


async def check_encryption(url: str, timeout_s: int) -> None:
    """Raises StoreUnfit when encrypted connections are asked for and the server answers that it takes none. If it does
    not answer, or refuses for another reason, this raises nothing: the next connection will show it."""
    if sslmode(url) == "disable":
        return
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo(url), connect_timeout=timeout_s)
    except psycopg.OperationalError as error:
        if says_no_tls(str(error)):
            raise StoreUnfit(UNENCRYPTED) from error
    else:
        await connection.close()


def _environments_mode() -> str | None:
    """PGSSLMODE, where it is set; libpq would follow it."""
    for option in pq.Conninfo.get_defaults():
        if option.keyword == b"sslmode" and option.val:
            return option.val.decode()
    return None


def _is_here(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
