"""The clients of other languages: what each needs, how it is made ready, how it is run.

`make interop` makes both ready. In the test suite they run when they can be had without the network, and are skipped
with the reason otherwise.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.clients import go_missing
from tests.support.service import ROOT

_HERE = Path(__file__).parent
_BUILT = ROOT / ".savepoint" / "interop"
_DEBIAN_GOPATH = Path("/usr/share/gocode")
_PREPARE_BOUND_S = 300


@dataclass(frozen=True)
class ForeignClient:
    """A client program in another language: `<command> ADDRESS` runs all cases."""

    name: str
    missing: Callable[[], str | None]
    """What this machine lacks and how to get it; None when nothing."""
    prepare: Callable[[], list[str]]
    """Builds the program where that is needed, and returns its command. Raises CalledProcessError."""
    install: Callable[[], None]
    """Fetches what a machine does not bring along, over the network. Raises CalledProcessError."""


def _node_missing() -> str | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return "no node and npm here; install Node.js 18 or newer, on Debian: apt-get install nodejs npm"
    if not (_HERE / "js" / "node_modules" / ".package-lock.json").exists():
        return "its packages are not installed; run: make interop"
    return None


def _node_install() -> None:
    if shutil.which("npm"):
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=_HERE / "js")


def _node_prepare() -> list[str]:
    return ["node", str(_HERE / "js" / "client.js")]


def _go_prepare() -> list[str]:
    """Generates the stubs and builds, all with what Debian's packages bring."""
    gopath = _BUILT / "gopath"
    shutil.rmtree(gopath, ignore_errors=True)
    (gopath / "src").mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GO")},
        "GOPATH": f"{gopath}:{_DEBIAN_GOPATH}",
        "GO111MODULE": "off",
        # Neither the user's caches nor the network are needed.
        "GOCACHE": str(ROOT / ".savepoint/go-cache"),
        "GOPROXY": "off",
    }
    _run(
        *(sys.executable, "-m", "grpc_tools.protoc", "-I."),
        *(f"--go_out={gopath / 'src'}", f"--go-grpc_out={gopath / 'src'}", "tests/interop/protos/interop.proto"),
        cwd=ROOT,
    )
    program = _BUILT / "client"
    _run("go", "build", "-o", str(program), str(_HERE / "go" / "main.go"), env=environment)
    return [str(program)]


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Raises CalledProcessError, with what the command said on stderr."""
    subprocess.run(command, cwd=cwd, env=env, check=True, timeout=_PREPARE_BOUND_S, stdout=subprocess.DEVNULL)


CLIENTS = (
    ForeignClient("grpc-js", _node_missing, _node_prepare, _node_install),
    ForeignClient("grpc-go", go_missing, _go_prepare, lambda: None),
)
