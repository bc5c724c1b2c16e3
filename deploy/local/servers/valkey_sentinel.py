"""Valkey under Sentinel: a primary, a replica, and three sentinels that make the replica the primary when the primary
is gone for two seconds. A server that only crashed is back before that."""

import asyncio
import re
from collections.abc import Mapping

from deploy.local.groups import SENTINELS, SERVERS
from deploy.local.layout import Layout
from deploy.local.part import Part, PartFailedError
from deploy.local.ports import HOST
from deploy.local.servers.valkey_node import SETTLE_WITHIN_S, Password, ValkeyNode, has_all_data
from shared.stores.valkey.pipeline import UNANSWERED, Pipeline

WATCHED = "savepoint"
_MONITORED = re.compile(rf"^sentinel monitor {WATCHED} \S+ (\d+) ", re.MULTILINE)
_EPOCH = re.compile(rf"^sentinel config-epoch {WATCHED} (\d+)", re.MULTILINE)
_PORT = re.compile(r'^port "?(\d+)', re.MULTILINE)
_WATCH_S = 2.0
# If a failover fails, the next attempt comes after twice this time.
_FAILOVER_TIMEOUT_S = 3.0


class SentinelGroup:
    """`parts` are all of them; `settings` lead a service there."""

    def __init__(self, layout: Layout, name: str, port: int, settings: Mapping[str, str]) -> None:
        self.password = Password(layout.data / f"{name}.password")
        self.servers = [_Server(self, layout, f"{name}-{n + 1}", port + n, settings) for n in range(SERVERS)]
        self.sentinels = [
            _Sentinel(self, layout, f"{name}-sentinel-{n + 1}", port + SERVERS + n) for n in range(SENTINELS)
        ]
        self.parts: tuple[Part, ...] = (*self.servers, *self.sentinels)
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        self.url = f"redis://:{self.password.value}@{hosts}/0?primary={WATCHED}"
        self.settings = {"REDIS_URL": self.url, "SENTINEL_PASSWORD": self.password.value}
        self._primary: ValkeyNode | None = None

    def primary(self) -> ValkeyNode:
        """The server that was the primary when the stack ran last, by the sentinels' own records; at first the first.

        Asked once for each start, before the first of the records is written anew."""
        if self._primary is None:
            records = [each.configuration.read_text() for each in self.sentinels if each.configuration.exists()]
            # The sentinel that has seen the latest failover is right.
            latest = max(records, key=lambda record: _number(_EPOCH, record), default="")
            port = _number(_MONITORED, latest)
            self._primary = next((server for server in self.servers if server.port_before() == port), self.servers[0])
        return self._primary


class _Server(ValkeyNode):
    """The primary or the replica; a failover changes that."""

    def __init__(self, group: SentinelGroup, layout: Layout, name: str, port: int, settings: Mapping[str, str]) -> None:
        super().__init__(layout, name, port, settings, group.password)
        self._group = group

    def port_before(self) -> int:
        """The port that it had when it ran last; 0 where it never did."""
        return _number(_PORT, self.configuration.read_text()) if self.configuration.exists() else 0

    def lines(self) -> list[str]:
        """The configuration, in the role that it had last."""
        primary = self._group.primary()
        return super().lines() + ([] if primary is self else [f"replicaof {HOST} {primary.port}"])

    async def settle(self) -> None:
        """Waits until the replica has the primary's data: sentinels look for replicas every ten seconds only."""
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S), self.client() as client:
                while not await has_all_data(client):
                    await asyncio.sleep(0.05)
        except UNANSWERED as error:
            raise PartFailedError(f"{self.name} does not get the primary's data: {error!r}", self.log) from None


class _Sentinel(ValkeyNode):
    """One that watches."""

    options = ("--sentinel",)

    def __init__(self, group: SentinelGroup, layout: Layout, name: str, port: int) -> None:
        needs = [server.name for server in group.servers]
        super().__init__(layout, name, port, {}, group.password, needs)
        self._group = group

    def lines(self) -> list[str]:
        """The configuration, as of an empty memory: what it has to know it hears within two seconds."""
        password = self.password.value
        return [
            f"port {self.port}",
            f"bind {HOST}",
            f'requirepass "{password}"',
            f"sentinel sentinel-pass {password}",
            f"sentinel monitor {WATCHED} {HOST} {self._group.primary().port} {SENTINELS // 2 + 1}",
            f"sentinel auth-pass {WATCHED} {password}",
            f"sentinel down-after-milliseconds {WATCHED} {_WATCH_S * 1000:.0f}",
            f"sentinel failover-timeout {WATCHED} {_FAILOVER_TIMEOUT_S * 1000:.0f}",
        ]

    async def settle(self) -> None:
        """Waits until it knows the replica and the other sentinels; a failover needs them."""
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S), self.client() as client:
                while not await self._sees_all(client):
                    await asyncio.sleep(0.1)
        except UNANSWERED as error:
            raise PartFailedError(f"{self.name} does not find the replica: {error!r}", self.log) from None

    async def _sees_all(self, client: Pipeline) -> bool:
        seen: Mapping[bytes, bytes] = await client.ask("SENTINEL", "MASTER", WATCHED)
        return int(seen[b"num-slaves"]) == SERVERS - 1 and int(seen[b"num-other-sentinels"]) == SENTINELS - 1


def _number(pattern: re.Pattern[str], text: str) -> int:
    """What the pattern finds; 0 for nothing."""
    found = pattern.search(text)
    return int(found[1]) if found else 0
