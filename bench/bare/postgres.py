"""An operation's part in PostgreSQL, by pgbench: prepared statements, so many connections, nothing else.

Reads are the services' own queries. For writes bench/bare/*.sql has plain statements that write the same rows (effect,
ledger, request record with its answer) with no judging, no batch and no deadline: less than that cannot be written.
"""

import asyncio
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from bench.bare import reads
from bench.bare.figures import Bare, quantile
from bench.generator.cpu import cpu_seconds
from bench.world import Sizes
from deploy.local import engines
from deploy.local.process import environment

_HERE = Path(__file__).parent
_PATIENCE_S = 30


class PgbenchFailedError(Exception):
    """pgbench could not run a script; the message is what it said."""


async def measure(url: str, script: str, clients: int, seconds: float, sizes: Sizes, server: int) -> Bare:
    """Runs a script of bench/bare, or of its reads, for whole seconds. `server` is the pid whose CPU it costs. Raises
    PgbenchFailedError."""
    with tempfile.TemporaryDirectory(prefix="savepoint-pgbench-") as name:
        directory = Path(name)
        file = directory / "script.sql"
        file.write_text(reads.script(script) or (_HERE / f"{script}.sql").read_text())
        before = cpu_seconds({"server": server})["server"]
        whole = max(1, round(seconds))
        pgbench = await asyncio.create_subprocess_exec(
            *(engines.postgres("pgbench"), "--no-vacuum", "--protocol=prepared", "--log"),
            *(f"--client={clients}", "--jobs=1", f"--time={whole}", f"--file={file}"),
            *(f"--define=players={sizes.players}", f"--define=items={sizes.items}", url),
            stdout=DEVNULL,
            stderr=PIPE,
            cwd=directory,
            env=environment(),
        )
        try:
            async with asyncio.timeout(whole + _PATIENCE_S):
                _, said = await pgbench.communicate()
        finally:
            if pgbench.returncode is None:
                pgbench.kill()
                await pgbench.wait()
        if pgbench.returncode:
            raise PgbenchFailedError(f"pgbench {script}: {said.decode(errors='replace').strip()[-1000:]}")
        cpu_s = cpu_seconds({"server": server})["server"] - before
        return _bare(directory, cpu_s)


def _bare(directory: Path, cpu_s: float) -> Bare:
    # A line a transaction: client, number, µs, script, and when it ended in s and µs.
    lines = [line.split() for log in directory.glob("pgbench_log.*") for line in log.read_text().splitlines()]
    times = sorted(int(line[2]) / 1000 for line in lines)
    ends = sorted(int(line[4]) + int(line[5]) / 1e6 for line in lines)
    if len(ends) < 2:
        raise PgbenchFailedError("pgbench has run fewer than two transactions")
    return Bare(
        calls_per_s=(len(ends) - 1) / max(1e-6, ends[-1] - ends[0]),
        p50_ms=quantile(times, 0.5),
        p99_ms=quantile(times, 0.99),
        store_cpu_us=1e6 * cpu_s / len(ends),
    )
