"""Two PostgreSQL servers: a primary, and a streaming replica of it.

Which is which, their data says: a replica's has the file standby.signal, which a promotion removes. Before each start
of a server it is looked at anew. So when the replica was promoted, the old primary comes back as a replica of the new
one, and nobody writes to the old one any more. What the old one had is kept beside it, since it may have commits that
the new one never got.
"""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Mapping

from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import PartFailedError
from deploy.local.process import run
from deploy.local.servers import control
from deploy.local.servers.postgres import REPLICA, USER, Postgres

_ASK_WITHIN_S = 5.0
# After a promotion the new timeline is in the control file within milliseconds.
_PROMOTED_WITHIN_S = 5.0
_POLL_S = 0.1

# Of a replica that is connected: seconds since the last commit that it has replayed, 0 where it has all that it got.
_BEHIND = """
SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::numeric(20, 1)
FROM pg_stat_wal_receiver WHERE status = 'streaming'
"""
# Of a primary: which cluster it is of, its timeline, how far its log is, and whether it keeps that for a replica.
_STATE = """
SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
       pg_current_wal_flush_lsn(), (SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}')
FROM pg_control_system()
"""
# From now on the primary keeps its log until a replica has it.
_KEEP_LOG = """
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{slot}';
SELECT slot_name FROM pg_create_physical_replication_slot('{slot}', true)
"""


class ReplicatedPostgres(Postgres):
    """One of two. `follows` is the other one, once both are made by `pair`."""

    peer: "ReplicatedPostgres"

    def __init__(self, layout: Layout, name: str, *, synchronous: bool) -> None:
        super().__init__(layout, name)
        self._synchronous = synchronous

    @property
    def slot(self) -> str:
        """Under which name the other one keeps the log for this one, and knows it."""
        return self.name.replace("-", "_")

    async def prepare(self) -> None:
        """Makes the primary at the very first start."""
        self.prepare_to_run()
        if self.data.exists() or self.peer.data.exists():
            if self.name != REPLICA and not self.data.exists() and control.is_standby(self.peer.data):
                self._check_newest()
            if self.data.exists() and not control.is_standby(self.data):
                await self.add_databases()
            return
        if self.name != REPLICA:
            await self._create()

    async def clear(self) -> None:
        """Likewise; and makes the data of a replica, at the first start or where what is there does not fit."""
        await super().clear()
        if not self.data.exists():
            await self._copy()
        elif not control.is_standby(self.data):
            if await self._was_replaced():
                kept = self.data.with_name(f"{self.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
                self.data.rename(kept)
                self._note(f"{self.peer.name} was promoted; what this server had is kept in {kept}")
                await self._copy()
        elif reason := await self._misfit():
            self._note(f"the replica is made anew: {reason}")
            shutil.rmtree(self.data)
            await self._copy()

    def more_settings(self) -> Mapping[str, str]:
        """A replica's queries are not cut off because the primary has cleaned up; a primary that is back is soon
        followed again."""
        settings = {"hot_standby_feedback": "on", "wal_retrieve_retry_interval": "500ms"}
        if self._synchronous and not control.is_standby(self.data):
            # Only for the server that begins as the primary. One that is promoted goes on alone.
            settings["synchronous_standby_names"] = f"FIRST 1 ({self.peer.slot})"
        return settings

    async def remark(self) -> str:
        """Its role, and how far it is behind."""
        if not control.is_standby(self.data):
            return "primary"
        behind = await self.ask(_BEHIND)
        return f"replica, {behind} s behind" if behind else "replica, not connected to the primary"

    async def ask(self, sql: str) -> str:
        """The one value that a query answers; empty where the server does not."""
        command = ("-XAtq", "-h", str(self.sockets), "-U", USER, "-d", "postgres", "-c", sql)
        process = await asyncio.create_subprocess_exec(
            engines.postgres("psql"),
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8", "PGCONNECT_TIMEOUT": "2"},
        )
        try:
            async with asyncio.timeout(_ASK_WITHIN_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return ""
        return output.decode().strip()

    async def _was_replaced(self) -> bool:
        """Whether both are primaries, and the other one is the newer."""
        until = time.monotonic() + _PROMOTED_WITHIN_S
        while self.peer.data.exists() and not control.is_standby(self.peer.data):
            own, others = control.read(self.data), control.read(self.peer.data)
            if own.timeline != others.timeline or time.monotonic() > until:
                return others.timeline > own.timeline
            await asyncio.sleep(_POLL_S)
        return False

    async def _misfit(self) -> str:
        """Why the data of this replica cannot follow the primary; empty where it can, or where nobody can say now."""
        primary = await self.peer.ask(_STATE.format(slot=self.slot))
        if not primary:
            return ""
        cluster, timeline, flushed, slot = primary.split("|")
        own = control.read(self.data)
        if own.cluster != int(cluster):
            return "it is one of another database"
        if own.timeline != int(timeline):
            return f"it is on timeline {own.timeline}, and the primary on {timeline}"
        if own.replayed > control.lsn(flushed):
            return "it has come farther than the primary, which was put back"
        if slot in ("", "lost"):
            return "the primary does not have the log any more that it needs"
        return ""

    async def _copy(self) -> None:
        """Makes the data a copy of the other server's, which follows it from then on."""
        made = await self.peer.ask(_KEEP_LOG.format(slot=self.slot))
        if not made:
            raise PartFailedError(f"{self.peer.name} does not answer, of which {self.name} is to be a copy", self.log)
        aside = self._aside()
        source = f"host={_quoted(str(self.peer.sockets))} user={USER} application_name={self.slot}"
        await run(
            self._command(
                "pg_basebackup",
                *("--dbname", source, "--pgdata", str(aside), "--slot", self.slot),
                *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"),
            ),
            self.log,
            f"copying {self.peer.name} to {self.name}",
        )
        aside.rename(self.data)

    def _note(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{text}\n")


def pair(layout: Layout, *, synchronous: bool) -> tuple[ReplicatedPostgres, ReplicatedPostgres]:
    """The primary and its replica, by what their data says now."""
    first = ReplicatedPostgres(layout, "postgres", synchronous=synchronous)
    second = ReplicatedPostgres(layout, REPLICA, synchronous=synchronous)
    first.peer, second.peer = second, first
    primary, replica = (second, first) if _is_newer(second, first) else (first, second)
    replica.needs = (primary.name,)
    return primary, replica


def _is_newer(second: Postgres, first: Postgres) -> bool:
    """Whether the second server was promoted."""
    if not second.data.exists() or control.is_standby(second.data):
        return False
    if not first.data.exists() or control.is_standby(first.data):
        return True
    return control.read(second.data).timeline > control.read(first.data).timeline


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
