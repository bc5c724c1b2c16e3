"""Makes a cluster of Valkey nodes that run: what `valkey-cli --cluster create` does, which the wheel does not have.

It may be done again at any time: what is done already stays as it is.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from deploy.local.servers.valkey_node import has_all_data
from shared.stores.valkey.pipeline import Pipeline

SLOTS = 16_384
_POLL_S = 0.05
_TROUBLES = {"handshake", "noaddr", "fail", "fail?"}


@dataclass(frozen=True)
class Member:
    """A node as another one, or itself, sees it: a line of CLUSTER NODES. `primary` is the id of a replica's primary;
    `slots` are ranges, both ends included."""

    id: str
    flags: frozenset[str]
    primary: str
    connected: bool
    slots: tuple[tuple[int, int], ...]

    @property
    def is_idle_primary(self) -> bool:
        """Whether it has nothing to do yet."""
        return "master" in self.flags and not self.slots


def members(text: str) -> list[Member]:
    """What CLUSTER NODES says."""
    return [_member(*line.split()) for line in text.splitlines()]


def _member(id_: str, _: str, flags: str, primary: str, _p: str, _q: str, _e: str, link: str, *slots: str) -> Member:
    # Slots that are being moved stand in brackets, beside those that the node has.
    ranges = [slot.partition("-") for slot in slots if not slot.startswith("[")]
    whole = tuple((int(first), int(last or first)) for first, _, last in ranges)
    return Member(id_, frozenset(flags.split(",")), primary, link == "connected", whole)


async def form(nodes: Sequence[tuple[Pipeline, str, int, int]], shards: int) -> None:
    """`nodes` are connections to the nodes, with host, port, and port of the bus. Slots that nobody has go to the first
    `shards` of them, and each node that is left without becomes a replica. Nodes that have moved to other ports find
    each other again. Has no bound of its own."""
    clients = [client for client, *_ in nodes]
    first = clients[0]
    for _, host, port, bus in nodes[1:]:
        await first.ask("CLUSTER", "MEET", host, str(port), str(bus))

    async def knows_all(client: Pipeline) -> bool:
        seen = await _seen(client)
        return len(seen) == len(nodes) and all(each.connected and not each.flags & _TROUBLES for each in seen)

    await _until(clients, knows_all)
    # Nodes of one epoch would argue about it while they already have slots.
    await _give_slots(clients[:shards], await _taken(first))
    await _until(clients, _covers_all)
    await _make_replicas(clients)
    await _until(clients, _is_well)


async def _seen(client: Pipeline) -> list[Member]:
    text: bytes = await client.ask("CLUSTER", "NODES")
    return members(text.decode())


async def _taken(client: Pipeline) -> set[int]:
    seen = await _seen(client)
    return {slot for each in seen for first, last in each.slots for slot in range(first, last + 1)}


async def _give_slots(clients: Sequence[Pipeline], taken: set[int]) -> None:
    for n, client in enumerate(clients):
        share = range(n * SLOTS // len(clients), (n + 1) * SLOTS // len(clients))
        if free := [slot for slot in share if slot not in taken]:
            await client.ask("CLUSTER", "ADDSLOTS", *map(str, free))


async def _make_replicas(clients: Sequence[Pipeline]) -> None:
    """Each becomes a replica of the primary that has the fewest."""
    seen = await _seen(clients[0])
    replicas = Counter(each.primary for each in seen)
    primaries = [each.id for each in seen if each.slots]
    for client in clients:
        own = next(each for each in await _seen(client) if "myself" in each.flags)
        if own.is_idle_primary:
            primary = min(primaries, key=lambda id_: replicas[id_])
            replicas[primary] += 1
            await client.ask("CLUSTER", "REPLICATE", primary)


async def _covers_all(client: Pipeline) -> bool:
    return len(await _taken(client)) == SLOTS


async def _is_well(client: Pipeline) -> bool:
    """Whether it knows everybody's role, and has its primary's data if it is a replica."""
    state: bytes = await client.ask("CLUSTER", "INFO")
    seen = await _seen(client)
    return (
        b"cluster_state:ok" in state
        and not any(each.is_idle_primary or each.flags & _TROUBLES for each in seen)
        and await has_all_data(client)
    )


async def _until(clients: Sequence[Pipeline], holds: Callable[[Pipeline], Awaitable[bool]]) -> None:
    for client in clients:
        while not await holds(client):
            await asyncio.sleep(_POLL_S)
