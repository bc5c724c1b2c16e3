"""PgBouncer in transaction mode before a PostgreSQL, with the settings of deploy/pgbouncer/pgbouncer.ini."""

import configparser
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.probes import program_succeeds
from deploy.local.process import environment
from deploy.local.servers.postgres import USER, Postgres
from deploy.local.settings import CHECKOUT

SAMPLE = CHECKOUT / "deploy" / "pgbouncer" / "pgbouncer.ini"
# The name of its socket has it; nothing listens on the port.
_PORT = 6432
_HOST = re.compile(r"host=\S+ port=\S+")


def program() -> str | None:
    """Where it is installed, if it is."""
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def version() -> str:
    """Which one is installed: PgBouncer 1.18.0, say."""
    return subprocess.run([str(program()), "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[
        0
    ]


class PgBouncer(Part):
    """One process over a Unix socket. It runs with as few rights as the PostgreSQL behind it."""

    name = "pgbouncer"
    engine = "PgBouncer"
    version = ""
    needs: tuple[str, ...] = (Postgres.name,)

    def __init__(self, layout: Layout, postgres: Postgres, *, sets_connections: bool = True, **settings: str) -> None:
        super().__init__(layout)
        self._postgres = postgres
        # Whether it does what the sample's connect_query says; and settings that differ from the sample's.
        self._sets_connections = sets_connections
        self._settings = settings
        self._folder = layout.run / "pgbouncer"
        self.address = str(self._folder)

    def url(self, database: str) -> str:
        """What a service takes as DATABASE_URL."""
        return f"postgresql://{USER}@/{database}?host={quote(self.address, safe='/')}&port={_PORT}"

    async def prepare(self) -> None:
        """Writes its configuration: the sample's, but for where it and PostgreSQL are, and who may come."""
        self._folder.mkdir(mode=0o711, exist_ok=True)
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        sample = configparser.ConfigParser(interpolation=None)
        sample.read(SAMPLE)
        for name, way in sample["databases"].items():
            to_here = _HOST.sub(f"host={self._postgres.sockets} user={USER}", way)
            sample["databases"][name] = to_here if self._sets_connections else to_here.partition(" connect_query=")[0]
        # Small, so that services outnumber its connections, and every one of these serves several of them.
        sample["pgbouncer"].update(
            listen_addr="", unix_socket_dir=self.address, auth_type="any", auth_file="", default_pool_size="10"
        )
        sample["pgbouncer"].update(self._settings)
        with self._configuration().open("w") as file:
            sample.write(file)

    def command(self) -> Command:
        """In the foreground."""
        found = program()
        return Command((str(found), str(self._configuration())), environment(), Path("/"), self._postgres.setpriv)

    async def serving(self) -> bool:
        """Whether it answers, and PostgreSQL behind it."""
        ask = ("-h", self.address, "-p", str(_PORT), "-d", "profile", "-U", USER, "-t", "1", "-q")
        return await program_succeeds(self._postgres.installed.tool("pg_isready"), *ask)

    def _configuration(self) -> Path:
        return self._folder / "pgbouncer.ini"
