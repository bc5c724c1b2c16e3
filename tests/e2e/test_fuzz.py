"""Messages of all kinds for every RPC, through the gateway: see tests/fuzz."""

import secrets

import pytest
from rich.console import Console

from deploy.local.embedded import RunningStack
from tests.fuzz import report
from tests.fuzz.rpcs import unary
from tests.fuzz.run import fuzz

# With a random seed the tests cannot be learned by heart; with a fixed one, what a change breaks shows at once.
SEEDS = ["savepoint", secrets.token_hex(4)]
MESSAGES = 40


@pytest.mark.parametrize("seed", SEEDS, ids=["fixed", "random"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
async def test_whatever_is_sent_is_answered_and_nobody_notices(suite: RunningStack, seed: str, large: bool) -> None:
    # With attributes and metadata near their limits, answers are as large as can be.
    messages = MESSAGES // 4 if large else MESSAGES
    found = await fuzz(suite.gateway, unary(), range(messages), seed, large=large)
    # Shown when it fails, with the seed.
    report.show(found, Console(width=160))
    assert found.findings == []
    assert found.healthy_failures == []
    assert found.healthy_calls > 100
    assert all(counts.total() == messages for counts in found.statuses.values())
    # Nothing would be tried by messages that are all refused at the door.
    accepted = [path for path, counts in found.statuses.items() if counts["OK"]]
    assert len(accepted) > 0.9 * len(found.statuses)
