"""The embedded stack with a replica, over data that earlier runs have left."""

import asyncio
import shutil
from pathlib import Path

import psycopg
import pytest

from deploy.local import embedded
from deploy.local.part import PartFailedError
from deploy.local.servers.replicated_postgres import ReplicatedPostgres
from tests.support.replicated import Servers, servers

pytestmark = pytest.mark.thorough


async def until_it_follows(over: Servers) -> None:
    """Waits until the replica has what the primary has now."""
    end = await over.primary.ask("SELECT pg_current_wal_flush_lsn()")
    async with asyncio.timeout(20):
        while await over.replicas[0].ask(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") != "t":
            await asyncio.sleep(0.1)


def replaced(directory: Path) -> list[Path]:
    """What old primaries had."""
    return [path for path in directory.glob("postgres.replaced-*") if (path / "PG_VERSION").exists()]


async def note(over: Servers, text: str) -> None:
    await over.primary.ask("CREATE TABLE IF NOT EXISTS notes (note text)")
    assert await over.primary.ask(f"INSERT INTO notes VALUES ('{text}') RETURNING note") == text


async def notes(server: ReplicatedPostgres) -> list[str]:
    return (await server.ask("SELECT note FROM notes ORDER BY note")).split()


async def test_a_promoted_replica_is_gone_on_with_and_nothing_else(tmp_path: Path) -> None:
    async with servers(tmp_path, replication_mode="replica") as over:
        await note(over, "before")
        await until_it_follows(over)
        assert await over.replicas[0].ask("SELECT pg_promote()") == "t"
        # The old one goes on too, and takes a write that the new one never gets.
        await note(over, "lost")
        await over.replicas[0].ask("INSERT INTO notes VALUES ('since')")
    # Alone, the old one would be taken for all that there is.
    with pytest.raises(PartFailedError, match="was promoted"):
        async with embedded.stores(tmp_path):
            pass
    async with servers(tmp_path, replication_mode="replica") as over:
        assert over.primary.data.name == "postgres-replica"
        assert await notes(over.primary) == ["before", "since"]
        await until_it_follows(over)
        assert await notes(over.replicas[0]) == ["before", "since"]
        assert (await over.replicas[0].remark()).startswith("replica, 0.0 s behind")
    assert len(replaced(tmp_path)) == 1
    with pytest.raises(PartFailedError, match="was promoted"):
        async with embedded.stores(tmp_path):
            pass


async def test_a_replica_that_does_not_fit_any_more_is_made_anew(tmp_path: Path) -> None:
    async with servers(tmp_path, replication_mode="replica") as over:
        await note(over, "first")
    async with embedded.stores(tmp_path) as alone:
        # The primary keeps nothing for the replica any more, which was not started.
        assert await _run(alone.postgres.url("postgres"), "SELECT pg_drop_replication_slot('postgres_replica')")
    async with servers(tmp_path, replication_mode="replica") as over:
        await note(over, "second")
        await until_it_follows(over)
        assert await notes(over.replicas[0]) == ["first", "second"]
        assert "made anew: the primary does not have the log any more" in over.replicas[0].log.read_text()
    shutil.rmtree(tmp_path / "postgres")
    for chosen in ({}, {"replication_mode": "replica"}):
        with pytest.raises(PartFailedError, match="is a copy of it"):
            async with embedded.stores(tmp_path, **chosen):
                pass


async def _run(url: str, sql: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await (await connection.execute(sql.encode())).fetchone() is not None
