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
SETTING = "DATABASE_URL"
# Of several servers, a connection that may be used for writes must lead to the one that takes them.
_WRITABLE = ("read-write", "primary")


def unencrypted(setting: str = SETTING) -> str:
    """What is said where the server that a setting names takes no encrypted connections."""
    return (
        f"{setting} names a server on another host that takes no encrypted connections; "
        "to connect without encryption, ask for it with ?sslmode=disable"
    )


def sslmode(url: str, setting: str = SETTING) -> str:
    """What a connection to this URL does about encryption. An sslmode in the URL counts, else PGSSLMODE; without
    either, and for `prefer` and `allow`, it is `disable` for a socket or this host, and `require` for any other. Raises
    StoreUnfit for no URL; `setting` is where it comes from."""
    try:
        options = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's message may repeat the password.
        raise StoreUnfit(
            f"setting {setting} cannot be read: it takes postgresql://user:password@host:port/database, "
            "with %-escapes for what is special in a URL"
        ) from None
    mode = options.get("sslmode") or _environments_mode()
    if mode and mode not in _UNDECIDED:
        return str(mode)
    hosts = str(options.get("hostaddr") or options.get("host") or "").split(",")
    return "disable" if all(_is_here(host) for host in hosts) else "require"


def conninfo(url: str, setting: str = SETTING, *, writable: bool = False) -> str:
    """What the driver takes for this URL. `writable` asks for the one of several servers that takes writes. Raises
    StoreUnfit likewise, and where the URL itself asks for another one."""
    mode = sslmode(url, setting)
    if not writable:
        return make_conninfo(url, sslmode=mode)
    asked = str(conninfo_to_dict(url).get("target_session_attrs") or _WRITABLE[0])
    if asked not in _WRITABLE:
        raise StoreUnfit(
            f"setting {setting} asks for target_session_attrs={asked}, which may lead to a server that takes no "
            f"writes; of several servers it takes {' or '.join(_WRITABLE)}, and means that without it"
        )
    return make_conninfo(url, sslmode=mode, target_session_attrs=asked)


def has_several_hosts(url: str) -> bool:
    """Whether the URL names several servers. Raises StoreUnfit likewise."""
    sslmode(url)
    options = conninfo_to_dict(url)
    return "," in str(options.get("hostaddr") or options.get("host") or "")


def says_no_tls(message: str) -> bool:
    """Whether a driver's message says that encryption was asked for and the server has none."""
    return any(text in message for text in _NO_TLS)


async def check_encryption(url: str, timeout_s: int, setting: str = SETTING) -> None:
    """Raises StoreUnfit when encrypted connections are asked for and the server answers that it takes none. If it does
    not answer, or refuses for another reason, this raises nothing: the next connection will show it."""
    if sslmode(url, setting) == "disable":
        return
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo(url, setting), connect_timeout=timeout_s)
    except psycopg.OperationalError as error:
        if says_no_tls(str(error)):
            raise StoreUnfit(unencrypted(setting)) from error
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
