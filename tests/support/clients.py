"""The example clients of other languages: what each needs, and its commands, as docs/clients.md has them.

python -m tests.support.clients         fetches, over the network, what a client needs and its language's tools can get
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.service import ROOT

_PAGE = ROOT / "docs" / "clients.md"
_CLIENTS = ROOT / "examples" / "clients"
_DEBIAN_GO = Path("/usr/share/gocode/src")
_FETCH_BOUND_S = 300


@dataclass(frozen=True)
class ExampleClient:
    """A client program that generates its stubs, is built and run by the commands of its section."""

    heading: str
    """Of its section in docs/clients.md."""
    tool: str
    """The program of its language that fetches its packages."""
    fetch: tuple[str, ...] | None
    """What fetches them; None where they come with the language."""
    missing: Callable[[], str | None]
    """What this machine lacks and how to get it; None when nothing."""

    @property
    def commands(self) -> str:
        """The shell commands that generate, build and run, as the page has them."""
        _, _, section = _PAGE.read_text().partition(f"\n## {self.heading}\n")
        block = re.search(r"^```sh run\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
        assert block, f"docs/clients.md has no commands for {self.heading}"
        return block[1]


def go_missing() -> str | None:
    """What this machine lacks of Go, its plugins and Debian's grpc-go; None when nothing."""
    tools = ("go", "protoc-gen-go", "protoc-gen-go-grpc")
    packages = ("google.golang.org/grpc", "google.golang.org/protobuf")
    if not all(map(shutil.which, tools)) or not all((_DEBIAN_GO / name).is_dir() for name in packages):
        return "not all of Go, its two plugins and Debian's grpc-go are here; docs/clients.md has the apt-get command"
    return None


def _typescript_missing() -> str | None:
    if not (shutil.which("node") and shutil.which("npm")):
        return "no node and npm here; install Node.js 20 or newer"
    if not (_CLIENTS / "typescript/node_modules/.package-lock.json").exists():
        return "its packages are not installed; run: make clients"
    return None


def _csharp_missing() -> str | None:
    if not shutil.which("dotnet"):
        return "no dotnet here; install the .NET SDK 8 or newer"
    if not (_CLIENTS / "csharp/obj/project.assets.json").exists():
        return "its packages are not restored; run: make clients"
    return None


CLIENTS = (
    ExampleClient("Go", "go", None, go_missing),
    ExampleClient(
        *("TypeScript", "npm"),
        ("npm", "--prefix", str(_CLIENTS / "typescript"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
        _typescript_missing,
    ),
    ExampleClient("C#", "dotnet", ("dotnet", "restore", str(_CLIENTS / "csharp")), _csharp_missing),
)


def main() -> None:
    """Fetches the packages of each client whose language is here. A failure is named, and shown by the tests after."""
    for client in CLIENTS:
        if client.fetch and shutil.which(client.tool):
            done = subprocess.run(client.fetch, check=False, timeout=_FETCH_BOUND_S)
            if done.returncode:
                print(f"{client.heading}: could not fetch its packages")


if __name__ == "__main__":
    main()
