"""The embedded stack's groups of Valkeys: what they hold outlives a restart, a failover, and a move to other ports."""

import stat
from pathlib import Path

import pytest

from shared.stores.valkey import Script
from shared.telemetry.store import StoreTelemetry
from tests.support import valkeys

SET = Script("set", "return redis.call('SET', KEYS[1], ARGV[1])", "", writes=True)
GET = Script("get", "return redis.call('GET', KEYS[1])", "", writes=False)


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["replica", "cluster"])
async def test_a_group_comes_back_with_what_it_held(mode: str, tmp_path: Path, store_telemetry: StoreTelemetry) -> None:
    calls = [([f"key-{n}"], [n]) for n in range(100)]
    async with valkeys.group(tmp_path, mode) as group:
        async with group.connect(store_telemetry) as server:
            await server.run_each(SET, calls)
            primary = await group.owner("key-0")
            replica = await group.replica_of(primary)
            await group.fail_over(primary, replica)
        async with group.connect(store_telemetry) as server:
            # The old primary lacks this one.
            await server.run(SET, ["key-0"], ["after"])
    async with valkeys.group(tmp_path, mode) as group, group.connect(store_telemetry) as server:
        answers = await server.run_each(GET, [([f"key-{n}"], []) for n in range(100)])
        assert answers == [b"after", *(str(n).encode() for n in range(1, 100))]
        assert await group.role(await group.owner("key-0")) == "master"


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["replica", "cluster"])
async def test_nobody_else_on_the_machine_can_use_it(mode: str, tmp_path: Path) -> None:
    async with valkeys.group(tmp_path, mode) as group:
        assert stat.S_IMODE((tmp_path / "ranks.password").stat().st_mode) == 0o600
        for name in group.every_name:
            node = group.node(name)
            assert stat.S_IMODE(node.data.stat().st_mode) == 0o700
            assert await group.without_password(name) == "NOAUTH"
