"""MongoDB for the game log, for development: SecantusDB, which speaks MongoDB's protocol and comes as a wheel."""

import sys

from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.probes import mongodb_answers
from deploy.local.process import environment

# How often events are looked for whose retention is over. MongoDB looks once a minute.
_SETTINGS = """\
[storage]
ttl_sweep_seconds = {sweep_s}
"""


class MongoDb(Part):
    """One server, on loopback. Every commit reaches the disk."""

    name = "mongodb"
    engine = "SecantusDB"

    def __init__(self, layout: Layout, port: int, sweep_s: int = 60) -> None:
        super().__init__(layout)
        self.version = engines.version("secantusdb")
        self.port = port
        self.address = f"{HOST}:{port}"
        self.data = layout.data / "mongodb"
        self._settings = layout.data / "mongodb.toml"
        self._sweep_s = sweep_s

    def url(self, database: str) -> str:
        """What a service takes as MONGODB_URL."""
        return f"mongodb://{self.address}/savepoint_{database}?replicaSet=secantus"

    async def prepare(self) -> None:
        """Its directory and its settings."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._settings.write_text(_SETTINGS.format(sweep_s=self._sweep_s))

    def command(self) -> Command:
        """The server in the foreground."""
        options = (
            *("--config", str(self._settings), "--host", HOST, "--port", str(self.port)),
            *("--storage-path", str(self.data), "--sync-on-commit", "--log-level", "WARNING"),
            # Nothing reads its log of operations, which would be half of what it writes.
            *("--oplog-max-entries", "1000", "--cache-size", "256M"),
        )
        return Command((sys.executable, "-m", "secantus", *options), environment(), self.layout.data)

    async def serving(self) -> bool:
        """Whether it answers."""
        return await mongodb_answers(HOST, self.port)
