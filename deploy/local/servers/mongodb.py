"""MongoDB for the game log, for development: SecantusDB, which speaks MongoDB's protocol and comes as a wheel."""

import sys

from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.probes import mongodb_answers
from deploy.local.process import environment


class MongoDb(Part):
    """One server, on loopback. Every commit reaches the disk."""

    name = "mongodb"
    engine = "SecantusDB"

    def __init__(self, layout: Layout, port: int) -> None:
        super().__init__(layout)
        self.version = engines.version("secantusdb")
        self.port = port
        self.address = f"{HOST}:{port}"
        self.data = layout.data / "mongodb"

    def url(self, database: str) -> str:
        """What a service takes as MONGODB_URL."""
        return f"mongodb://{self.address}/savepoint_{database}?replicaSet=secantus"

    async def prepare(self) -> None:
        """Its directory."""
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> Command:
        """The server in the foreground."""
        options = (
            *("--host", HOST, "--port", str(self.port)),
            *("--storage-path", str(self.data), "--sync-on-commit", "--log-level", "WARNING"),
            # Nothing reads its log of operations, which would be half of what it writes.
            *("--oplog-max-entries", "1000", "--cache-size", "256M"),
        )
        return Command((sys.executable, "-m", "secantus", *options), environment(), self.layout.data)

    async def serving(self) -> bool:
        """Whether it answers."""
        return await mongodb_answers(HOST, self.port)
