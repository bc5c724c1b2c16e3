"""The example clients in other languages, by the commands of docs/clients.md. `make clients` demands all of them."""

import asyncio
import os
import re
import signal

import pytest

from deploy.local.embedded import RunningStack
from deploy.local.settings import CHECKOUT
from tests.support.clients import CLIENTS, ExampleClient

BOUND_S = 90
# What ten calls answer, and the reason of the eleventh.
EXPECTED = [
    r"CreatePlayer: ada-[0-9a-f]{8}",
    r"CreatePlayer: bob-[0-9a-f]{8}",
    r"GetPlayer: level 1, mmr 1000",
    r"AdjustCoins: 100 coins",
    r"TransferCoins: 60 coins left, 40 there",
    r"GrantItem: 3 x health_potion",
    r"ListItems: 1 stack",
    r"CreateLeaderboard: weekly-[0-9a-f]{8}",
    r"SubmitScore: rank 1",
    r"ListTop: rank 1 with 4200",
    r"refused: INSUFFICIENT_COINS, has 60 of 250",
]


def _skipped_where_missing(client: ExampleClient) -> pytest.MarkDecorator:
    """By a mark: a skip inside the test would come after the suite was started for it."""
    missing = None if os.environ.get("CLIENTS_REQUIRED") else client.missing()
    return pytest.mark.skipif(missing is not None, reason=f"{client.heading}: {missing}")


@pytest.mark.parametrize(
    "client", [pytest.param(client, id=client.heading, marks=_skipped_where_missing(client)) for client in CLIENTS]
)
async def test_ten_calls_and_an_errors_reason(suite: RunningStack, client: ExampleClient) -> None:
    missing = client.missing()
    assert missing is None, f"{client.heading}: {missing}"
    environment = {
        **os.environ,
        "SAVEPOINT_PORT": suite.gateway.rpartition(":")[2],
        # The tests of all Go clients share a cache, and leave the user's alone.
        "GOCACHE": str(CHECKOUT / ".savepoint/go-cache"),
    }
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", client.commands),
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(BOUND_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode == 0, output.decode()
    said = [line for line in output.decode().splitlines() if re.match(r"[A-Za-z]+: ", line)]
    assert len(said) == len(EXPECTED), output.decode()
    assert all(map(re.fullmatch, EXPECTED, said)), output.decode()
