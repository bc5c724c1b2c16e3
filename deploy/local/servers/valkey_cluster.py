"""A Valkey cluster: three shards, each a primary and a replica, which takes over when the primary is gone for two
seconds. A node that only crashed is back before that."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from deploy.local.groups import BUS, NODES, SHARDS
from deploy.local.layout import Layout
from deploy.local.part import Part, PartFailedError
from deploy.local.ports import HOST
from deploy.local.servers.cluster_forming import form
from deploy.local.servers.valkey_node import SETTLE_WITHIN_S, Password, ValkeyNode
from shared.stores.valkey.pipeline import UNANSWERED

_NODE_TIMEOUT_MS = 2000


class ClusterGroup:
    """`parts` are all of its nodes; `settings` lead a service there."""

    def __init__(self, layout: Layout, name: str, port: int, settings: Mapping[str, str]) -> None:
        self.password = Password(layout.data / f"{name}.password")
        self.nodes: list[_Node] = []
        for n in range(NODES):
            # The last one makes a cluster of them.
            needs = [node.name for node in self.nodes] if n == NODES - 1 else []
            self.nodes.append(_Node(self, layout, f"{name}-{n + 1}", port + n, settings, needs))
        self.parts: tuple[Part, ...] = tuple(self.nodes)
        hosts = ",".join(node.address for node in self.nodes)
        self.url = f"redis://:{self.password.value}@{hosts}"
        self.settings = {"REDIS_URL": self.url}

    async def form(self) -> None:
        """Makes a cluster of the nodes, where they are none yet."""
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(node.client()) for node in self.nodes]
            named = zip(clients, self.nodes, strict=True)
            await form([(client, HOST, node.port, node.port + BUS) for client, node in named], SHARDS)


class _Node(ValkeyNode):
    """One node, a primary or a replica."""

    def __init__(
        self,
        group: ClusterGroup,
        layout: Layout,
        name: str,
        port: int,
        settings: Mapping[str, str],
        needs: Sequence[str],
    ) -> None:
        clustered = {
            "cluster-enabled": "yes",
            "cluster-port": str(port + BUS),
            "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
            # While one shard has no primary, the others go on.
            "cluster-require-full-coverage": "no",
        }
        super().__init__(layout, name, port, {**settings, **clustered}, group.password, needs)
        self._group = group

    async def settle(self) -> None:
        """The last one makes the cluster."""
        if not self.needs:
            return
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                await self._group.form()
        except UNANSWERED as error:
            raise PartFailedError(f"the nodes do not become a cluster: {error!r}", self.log) from None
