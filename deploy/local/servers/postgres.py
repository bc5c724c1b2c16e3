"""PostgreSQL: one server, a database for each service that keeps SQL, reached over a Unix socket only. A second server
that follows it: replicated_postgres.py."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import psutil

from deploy.local import engines, family
from deploy.local.layout import Layout
from deploy.local.part import Command, Part, PartFailedError
from deploy.local.probes import program_succeeds
from deploy.local.process import environment, run
from deploy.local.servers import control
from deploy.local.servers.postgres_engine import PostgresEngine, wheel

DATABASES = ("profile", "inventory", "gamelog")
# What three pools of the largest CONNECTION_POOL_SIZE may open, and a few for people, migrations and backups.
MAX_CONNECTIONS = 320
USER = "savepoint"
# The file in the data directory that lists the databases that were made there; before there were three, there was none.
_LIST = "savepoint-databases"
# How often to look whether the processes of a killed server have ended, and how many seconds apart.
_LOOKS = 100
_POLL_S = 0.05
# After this many looks, the processes that are left are killed.
_PATIENCE = 60
# What compose's databases have too (tests/unit/test_postgres_settings.py); deploy/README.md says why.
TUNED = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # A query of the game log locks each day's partition with its indexes.
    "max_locks_per_transaction": "256",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_utility": "off",
}
_SETTINGS = TUNED | {
    "listen_addresses": "",
    "max_connections": str(MAX_CONNECTIONS),
    # A replica that is not started any more does not fill the disk: beyond this it is made anew.
    "max_slot_wal_keep_size": "2GB",
}
REPLICA = "postgres-replica"


class Postgres(Part):
    """The SQL store. Who may enter its socket's directory (mode 0700) is trusted; nobody else can reach it."""

    name = "postgres"
    engine = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # "fast": roll back, write a checkpoint, end

    def __init__(self, layout: Layout, name: str = "postgres", engine: PostgresEngine | None = None) -> None:
        super().__init__(layout)
        self.name = name
        self.installed = engine or wheel()
        self.version = self.installed.version
        self.data = layout.data / name
        self.sockets = layout.run / name
        self.address = str(self.sockets)
        # How a program gives up the rights of root, and may still reach the sockets.
        self.setpriv: tuple[str, ...] = ()

    def url(self, database: str) -> str:
        """What a service takes as DATABASE_URL."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.sockets), safe='/')}"

    async def prepare(self) -> None:
        """Makes the cluster and its databases at the very first start."""
        self.prepare_to_run()
        self._check_newest()
        if not self.data.exists():
            await self._create()
        await self.add_databases()

    async def add_databases(self) -> None:
        """Makes those that are missing because an earlier release made the cluster."""
        listed = self.data / _LIST
        made = listed.read_text().split() if listed.exists() else ["profile", "inventory"]
        if missing := [database for database in DATABASES if database not in made]:
            # What a killed server has left would be in the way.
            await Postgres.clear(self)
            await self._create_databases(self.data, missing)

    def prepare_to_run(self) -> None:
        """What every program of PostgreSQL needs that is run here: a directory for sockets, and no root."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if os.getuid() == 0:
            self._step_down()

    async def clear(self) -> None:
        """Waits for what a killed server left behind, then removes the pid files that it left.

        PostgreSQL trusts the pid in them and would refuse to start when another program has that pid by now. Taking
        them away is safe only once no process works in the data directory.
        """
        for attempt in range(_LOOKS):
            at_work = self._at_work()
            if not at_work:
                break
            # A backend ends by itself when its server has gone, unless it is stopped (SIGSTOP) or stuck.
            orphans = [process for process in at_work if _is_orphan(process, at_work)]
            family.kill(orphans if attempt > _PATIENCE else family.stopped(orphans))
            await asyncio.sleep(_POLL_S)
        else:
            raise PartFailedError(f"another process still works in {self.data}; end it, then try again")
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()

    def command(self) -> Command:
        """The server in the foreground."""
        # The setting is a list of directories; quotes keep a comma or a blank in ours from splitting it.
        sockets = '"' + str(self.sockets).replace('"', '""') + '"'
        settings = _SETTINGS | {"unix_socket_directories": sockets, **self.more_settings()}
        if not self.installed.counts_statements:
            settings = {key: value for key, value in settings.items() if "pg_stat_statements" not in key + value}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return self._command("postgres", "-D", str(self.data), *options)

    def more_settings(self) -> Mapping[str, str]:
        """Settings beside those that every server has."""
        return {}

    async def serving(self) -> bool:
        """Whether the server takes connections."""
        ask = ("-h", str(self.sockets), "-d", DATABASES[0], "-U", USER, "-t", "1", "-q")
        return await program_succeeds(self.installed.tool("pg_isready"), *ask)

    def _check_newest(self) -> None:
        """Raises PartFailedError where another server's data has what this one's lacks."""
        copy = self.layout.data / REPLICA
        if not copy.exists():
            if self.data.exists() and control.is_standby(self.data):
                raise PartFailedError(
                    f"{self.data} is a replica's, and its primary is missing: to go on with it alone, delete "
                    "standby.signal in it"
                )
            return
        if not self.data.exists():
            raise PartFailedError(
                f"{self.data} is missing, and {copy} is a copy of it. To go on with the copy, delete standby.signal in "
                f"it and rename it to {self.data.name}; to begin with nothing, delete the copy too"
            )
        if control.is_standby(copy):
            return
        if control.is_standby(self.data) or control.read(copy).timeline > control.read(self.data).timeline:
            raise PartFailedError(
                f"{copy} was promoted, and what was written since is only there: start with REPLICATION_MODE=replica "
                "or cluster, which go on with it"
            )

    def _command(self, tool: str, *options: str) -> Command:
        return Command((str(self.installed.tool(tool)), *options), environment(), Path("/"), self.setpriv)

    async def _create(self) -> None:
        # Made aside and renamed when complete: a first start that is killed half-way leaves nothing that looks done.
        aside = self._aside()
        await run(
            self._command(
                "initdb",
                *("-D", str(aside), "-U", USER, "--encoding=UTF8", *self.installed.locale),
                *("--auth-local=trust", "--auth-host=reject"),
            ),
            self.log,
            "making the PostgreSQL data directory",
        )
        await self._create_databases(aside, DATABASES)
        aside.rename(self.data)

    async def _create_databases(self, data: Path, databases: Sequence[str]) -> None:
        for database in databases:
            # The databases exist before anything can ask for them.
            await self._alone(data, "postgres", f"CREATE DATABASE {database}")
            if self.installed.counts_statements:
                # What the doctor reads the statistics of statements by.
                await self._alone(data, database, "CREATE EXTENSION pg_stat_statements")
        (data / _LIST).write_text("\n".join(DATABASES))

    async def _alone(self, data: Path, database: str, sql: str) -> None:
        """Runs a statement by a server for one user, with no socket."""
        single = self._command("postgres", "--single", "-D", str(data), "-c", "exit_on_error=on", database)
        await run(replace(single, stdin=f"{sql}\n"), self.log, f"{sql.lower()} in {database}")

    def _aside(self) -> Path:
        """An empty directory beside the data, for PostgreSQL to fill."""
        aside = self.data.with_name(f"{self.name}.new")
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir(mode=0o700)
        self._own(aside)
        return aside

    def _step_down(self) -> None:
        """PostgreSQL refuses to run as root: it is run as nobody, who owns its directories."""
        nobody = pwd.getpwnam("nobody")
        self.setpriv = (f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
        self._own(self.sockets)
        must_reach = (self.installed.tool("postgres"), self.layout.data, self.sockets)
        asked = [part for path in must_reach for part in ("-a", "-x", str(path))][1:]
        if subprocess.run([engines.setpriv(), *self.setpriv, "test", *asked], check=False).returncode:
            # A checkout under /root, say, which nobody may not enter. This one capability lets it pass;
            # no_setuid_fixup makes access(2), which PostgreSQL asks about its own files, see that too.
            self.setpriv += (
                "--securebits=+no_setuid_fixup",
                "--inh-caps=+dac_override",
                "--ambient-caps=+dac_override",
            )

    def _own(self, directory: Path) -> None:
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)

    def _at_work(self) -> list[psutil.Process]:
        """The PostgreSQL processes that work here; each of them has the data directory as its own."""
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data)
        ]


def _is_orphan(process: psutil.Process, at_work: Sequence[psutil.Process]) -> bool:
    """Whether it is a backend, or another child of a server, and its server is not there any more."""
    try:
        child = "".join(process.cmdline()).startswith("postgres: ")
        return child and process.ppid() not in [other.pid for other in at_work]
    except psutil.NoSuchProcess:
        return False
