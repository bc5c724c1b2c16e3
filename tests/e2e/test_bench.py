"""The suite in small: it runs from start to end, and its files are what other programs expect."""

import asyncio
import json
import sys
from pathlib import Path

from deploy.local.settings import CHECKOUT

FIELDS = [
    "operation",
    "via",
    "callers",
    "calls_per_s",
    "items_per_s",
    "p50_ms",
    "p99_ms",
    "service_cpu_us",
    "gateway_cpu_us",
    "store_cpu_us",
    "empty_calls_per_s",
    "share_of_empty",
    "ratio_to_peer",
    "errors",
]
# One of each kind: of the cache, of PostgreSQL, of the boards.
OPERATIONS = ["GetPlayer uncached", "AdjustCoins", "SubmitScore with request_id"]


async def test_the_suite_in_small(tmp_path: Path) -> None:
    bench = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", "suite", "--ops", ",".join(OPERATIONS), "--callers", "8"),
        *("--seconds", "0.3", "--players", "400", "--entries", "300", "--out", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
    )
    async with asyncio.timeout(90):
        said, why = await bench.communicate()
    # 1 says that something which must hold does not: not a question of this test.
    assert bench.returncode in (0, 1), why.decode()
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["operation"], row["via"], row["callers"]) for row in rows] == [
        (operation, via, 8) for via in ("service", "gateway") for operation in OPERATIONS
    ]
    for row in rows:
        assert list(row) == FIELDS
        assert row["errors"] == 0, json.loads((tmp_path / "bench-run.json").read_text())["beside"]
        assert row["calls_per_s"] > 10
        assert 0 < row["share_of_empty"] < 5
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["ratio_to_peer"] is None
    kept = json.loads((tmp_path / "bench-run.json").read_text())
    assert kept["name"] in said.decode()
    assert all(beside["bare"]["calls_per_s"] > 10 for beside in kept["beside"])
    for plot in ("calls.png", "calls.svg", "p99.png", "p99.svg"):
        assert (tmp_path / plot).stat().st_size > 1000


async def test_the_game_log_in_small(tmp_path: Path) -> None:
    found = tmp_path / "gamelog.json"
    bench = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", "gamelog", "--events", "3456", "--json", str(found)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
    )
    async with asyncio.timeout(110):
        said, why = await bench.communicate()
    assert bench.returncode in (0, 1), why.decode()
    checks = {check["what"]: check for check in json.loads(found.read_text())["checks"]}
    for database in ("postgresql", "mongodb"):
        for what in ("stored", "players found otherwise", "hours counted otherwise"):
            assert checks[f"{database}: {what}"]["holds"], said.decode()
