"""Hostile and broken peers: each attack gets the right answer, and nobody else notices.

The host that RPC_HOST names is attacked, as in all tests that start a service. The sizes here are small;
`python -m tests.wire --full` attacks in earnest.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.stores import Stores
from tests.support.service import running
from tests.wire import attacks  # noqa: F401 # registers them
from tests.wire.expected import GRPC_AIO, HTTPUNK
from tests.wire.healthy import Healthy, calling
from tests.wire.measure import measure
from tests.wire.registry import ATTACKS, Attack
from tests.wire.target import Target, prepare


@dataclass(frozen=True)
class Attacked:
    """A service that only these tests use, so that its memory is theirs, and the healthy callers beside the attacks."""

    host: str
    target: Target
    pid: int
    healthy: Healthy
    log: Path


@pytest.fixture(scope="module", params=[os.environ.get("RPC_HOST", HTTPUNK)])
async def attacked(
    stores: Stores, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Attacked]:
    """A leaderboard service; it must end with exit code 0 after all that."""
    environment = {"REDIS_URL": stores.ranks_url, "RPC_HOST": request.param}
    async with running("leaderboard", environment, tmp_path_factory.mktemp(request.param)) as service:
        target = await prepare(service.address)
        assert service.process is not None
        async with calling(target) as healthy:
            yield Attacked(request.param, target, service.process.pid, healthy, service.log)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_an_attack_gets_the_right_answer_and_nobody_else_notices(attacked: Attacked, attack: Attack) -> None:
    report = await measure(attack, attack.small, attacked.target, attacked.pid, attacked.host, attacked.healthy)
    assert not report.violations, report


async def test_none_of_it_was_logged_as_a_bug(attacked: Attacked) -> None:
    # Runs after the attacks. What a peer does wrong is no error of ours, and must not fill our logs as one.
    log = attacked.log.read_text(errors="replace")
    assert "this is a bug" not in log, log
    if attacked.host != GRPC_AIO:  # it writes tracebacks of its own when a peer is gone before its answer
        assert "Traceback" not in log, log
