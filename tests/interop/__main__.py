"""`make interop`: the official cases with all three clients against each host. Exits 1 when one failed."""

import asyncio
import subprocess
import sys

from tests.interop.foreign import CLIENTS
from tests.interop.running import running
from tests.interop.server import HOSTS, SHOWS_REQUEST_ENCODING


async def _passes(title: str, *command: str) -> bool:
    print(f"\n{title}", flush=True)
    process = await asyncio.create_subprocess_exec(*command)
    return await process.wait() == 0


async def main() -> int:
    """Runs them all."""
    commands = {"grpcio": [sys.executable, "-m", "tests.interop.client"]}
    complete = True
    for client in CLIENTS:
        try:
            client.install()
            if (missing := client.missing()) is None:
                commands[client.name] = client.prepare()
        except subprocess.SubprocessError as error:
            missing = str(error)
        if missing is not None:
            print(f"MISSING {client.name}: {missing}")
            complete = False
    for host in HOSTS:
        async with running(host) as server:
            for name, command in commands.items():
                complete &= await _passes(f"{name} against {host}", *command, server.address)
        if not SHOWS_REQUEST_ENCODING[host]:
            print(
                f"\n{host} shows no servicer how its request was encoded: the probes of the two client_compressed cases"
            )
            print("cannot be made there, and were left out.")
    print("\nall cases passed, with all clients" if complete else "\nnot complete: see FAIL and MISSING above")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
