"""Scripts on a cluster: each call goes to the primary that has its keys' slot, over that primary's link.

Which primary has which slot is a map that this process keeps. It is asked of any node; a node that has a slot no more
says so, and where the slot is (MOVED). While a slot is being moved, keys that have gone already are asked for at its
next node (ASK); a call of which some keys have gone and others not, or some are not there at all, is refused by both
nodes (TRYAGAIN) until all have gone. None of these refusals has begun to do anything, so the call is sent again.

Reads go to primaries too: a replica may lack the last writes.
"""

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import hiredis

from shared.contract.errors import StoreUnavailable
from shared.stores.valkey.link import Link
from shared.stores.valkey.one import NO_KEYS, PING
from shared.stores.valkey.pipeline import UNANSWERED, LostError, ScriptBatch, opened
from shared.stores.valkey.primary import reign
from shared.stores.valkey.script import Script, ScriptCalls, Value
from shared.stores.valkey.server import NOT_IN_A_CLUSTER, STORE, Valkey
from shared.stores.valkey.slots import SLOTS, Range, Redirect, ranges, redirect_of, slot_of
from shared.stores.valkey.url import Address, MakeConnection, Servers
from shared.telemetry.store import StoreTelemetry
from shared.work.background import Background, Failures, Job
from shared.work.bounds import LONGEST_CALL_S

_log = logging.getLogger("savepoint.valkey")

# The map is asked for at most so often, and at least.
REFRESH_PAUSE_S = 0.1
REFRESH_EVERY_S = 10.0
ASK_WITHIN_S = 1.0
# Before a refused call is sent again: nothing after the first redirects, then this long, twice as long each time.
FREE_REDIRECTS = 3
FIRST_WAIT_S, LONGEST_WAIT_S, MOST_DOUBLINGS = 0.002, 0.05, 10
_NO_CLUSTER = "cluster support disabled"
_NOBODY = hiredis.ReplyError("CLUSTERDOWN no node is known to serve the slot")


class Node:
    """A primary, the link to it, and the task that keeps the link."""

    __slots__ = ("address", "link", "task")

    def __init__(self, address: Address, link: Link, failures: Failures) -> None:
        self.address = address
        self.link = link
        self.task = Background(failures)
        self.task.start(Job("valkey-connection", link.stay_connected))


class _Sent(NamedTuple):
    """Calls of one caller that went to one node together, by their places in what the caller asks."""

    node: Node
    places: Sequence[int]
    batch: ScriptBatch


class Cluster(Valkey):
    """The cluster that some addresses of a URL lead to."""

    apart = True

    def __init__(
        self, servers: Servers, answer_timeout_s: float, telemetry: StoreTelemetry, *, tells_reign: bool
    ) -> None:
        super().__init__(telemetry, tells_reign=tells_reign)
        self._servers = servers
        self._answer_timeout_s = answer_timeout_s
        self._nodes: dict[Address, Node] = {}
        # By slot.
        self._owners: list[Node | None] = [None] * SLOTS
        # They know the map too.
        self._replicas: tuple[Address, ...] = ()
        self._outdated = asyncio.Event()
        self._outdated.set()
        telemetry.metrics.watch_connections(STORE, lambda: sum(node.link.busy for node in self._nodes.values()))

    async def ping(self) -> None:
        """Raises StoreUnavailable unless one of the primaries runs a script in time: while one shard is gone, the
        boards of the others are served."""
        sent = [node.link.send(PING, NO_KEYS).waiting for node in set(self._owners) if node]
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                for answer in asyncio.as_completed(sent):
                    try:
                        if await answer == [1]:
                            return
                    except LostError:
                        self._outdated.set()
        except TimeoutError:
            pass
        finally:
            _forget(sent)
        self._outdated.set()
        raise StoreUnavailable(STORE)

    def lane(self, key: Value) -> int:
        """The slot: one that is being moved, or has lost its primary, holds up its own calls alone."""
        return slot_of(key)

    async def stay_informed(self) -> None:
        """The background task: keeps the map, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(REFRESH_EVERY_S):
                    await self._outdated.wait()
            except TimeoutError:
                pass
            self._outdated.clear()
            await self._refresh()
            await asyncio.sleep(REFRESH_PAUSE_S)

    async def close(self) -> None:
        """Closes every link."""
        await asyncio.gather(*(node.task.stop() for node in self._nodes.values()))

    async def _ran(self, script: Script, calls: ScriptCalls) -> list[Any]:
        # Kept from one attempt to the next: what one node has done is not done again because another one was lost.
        answers: list[Any] = [_NOBODY] * len(calls)
        await self._retrier.run(self._attempt, script, calls, answers)
        return answers

    async def _attempt(self, script: Script, calls: ScriptCalls, answers: list[Any]) -> None:
        """Gets the answers that are still missing."""
        self._begin()
        left = _refused(answers)
        for place in left:
            answers[place] = _NOBODY
        sent = self._send(script, calls, left)
        await self._answered(sent, answers)
        if left := _refused(answers):
            await self._follow(script, calls, left, sent, answers)

    def _send(
        self, script: Script, calls: ScriptCalls, places: Iterable[int], gone: Mapping[int, Address] | None = None
    ) -> list[_Sent]:
        """Sends those calls that somebody serves; calls whose keys have gone already, to where they are."""
        to: dict[Node, list[int]] = {}
        to_next: dict[Node, list[int]] = {}
        for place in places:
            if gone and place in gone:
                to_next.setdefault(self._node(gone[place]), []).append(place)
            elif node := self._owners[slot_of(calls[place][0][0])]:
                to.setdefault(node, []).append(place)
        sent = [_Sent(node, its, node.link.send(script, [calls[i] for i in its])) for node, its in to.items()]
        for node, its in to_next.items():
            sent.append(_Sent(node, its, node.link.send(script, [calls[i] for i in its], asking=True)))
        return sent

    async def _answered(self, sent: Sequence[_Sent], answers: list[Any]) -> None:
        """Puts the answers into their places; where nodes were lost, those of the others, and raises then."""
        lost: LostError | None = None
        try:
            for _, places, batch in sent:
                try:
                    got = await batch.waiting
                except LostError as error:
                    lost = error
                    continue
                for place, answer in zip(places, got[1::2] if batch.asking else got, strict=True):
                    answers[place] = answer
        finally:
            if len(sent) > 1:
                _forget([each.batch.waiting for each in sent])
        if lost:
            self._outdated.set()
            raise self._translated(lost) from lost.__cause__

    async def _follow(
        self, script: Script, calls: ScriptCalls, left: Sequence[int], sent: Sequence[_Sent], answers: list[Any]
    ) -> None:
        """Sends calls again that were refused, to where they belong by now, until each has an answer."""
        begun, rounds = time.monotonic(), 0
        while left:
            self._begin()
            waited_s = time.monotonic() - begun
            asked = {place: each.node for each in sent for place in each.places}
            gone: dict[int, Address] = {}
            rounds += 1
            waits = rounds > FREE_REDIRECTS
            for place in left:
                node = asked.get(place)
                redirect = redirect_of(str(answers[place]), node.address) if node else None
                if redirect is None:
                    self._may_wait(answers[place], waited_s)
                    waits = True
                elif waited_s >= LONGEST_CALL_S:
                    # Nodes that send it to each other for so long do not agree, and it has no deadline of its own.
                    raise StoreUnavailable(STORE)
                elif redirect.moved:
                    self._moved(redirect)
                else:
                    gone[place] = redirect.address
                    self._changed()
                answers[place] = _NOBODY
            if waits:
                await asyncio.sleep(min(FIRST_WAIT_S * 2 ** min(rounds, MOST_DOUBLINGS), LONGEST_WAIT_S))
            sent = self._send(script, calls, left, gone)
            await self._answered(sent, answers)
            left = _refused(answers)

    def _may_wait(self, refusal: hiredis.ReplyError, waited_s: float) -> None:
        """Raises the error of a call that waiting does not help, or has not helped."""
        code = str(refusal).partition(" ")[0]
        if code == "CLUSTERDOWN":
            self._outdated.set()
            # No longer than for a server that is silent. A failover takes longer, but most of it passes before the
            # cluster says that it is down; and whoever waited longer would fill the service with calls of one shard.
            patience_s = self._answer_timeout_s
        else:
            # A slot that is being moved is moved to the end, so the call's own deadline is the bound.
            patience_s = LONGEST_CALL_S if code == "TRYAGAIN" else 0
        if waited_s >= patience_s:
            raise self._translated(refusal)

    def _moved(self, redirect: Redirect) -> None:
        node = self._node(redirect.address)
        if self._owners[redirect.slot] is not node:
            self._owners[redirect.slot] = node
            self._changed()
        # It may not have been the only one.
        self._outdated.set()

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            make_connection = self._servers.connection(address)

            async def find() -> MakeConnection:
                return make_connection

            link = Link(find, self._answer_timeout_s, reign, self._changed, tells_reign=self.tells_reign)
            node = self._nodes[address] = Node(address, link, self._telemetry.metrics.background_failures)
        return node

    async def _refresh(self) -> None:
        """Asks for the map, one node after the other until one tells it."""
        for address in self._to_ask():
            try:
                connection = self._servers.connection(address)
                async with asyncio.timeout(ASK_WITHIN_S), opened(connection, ASK_WITHIN_S) as pipeline:
                    found = list(ranges(await pipeline.ask("CLUSTER", "SLOTS"), address))
            except UNANSWERED as failure:
                if _NO_CLUSTER in str(failure):
                    self.does_not_fit(NOT_IN_A_CLUSTER)
                _log.debug("a node does not tell the map", extra={"node": str(address), "why": repr(failure)})
                continue
            if found:
                await self._take(found)
                return

    def _to_ask(self) -> Iterator[Address]:
        """Nodes that we are connected to first: one that has just failed may come back with an old map."""
        nodes = random.sample(list(self._nodes.values()), len(self._nodes))
        known = [node.address for node in sorted(nodes, key=lambda node: not node.link.connected)]
        yield from dict.fromkeys((*known, *self._replicas, *self._servers.addresses))

    async def _take(self, found: Sequence[Range]) -> None:
        owners: list[Node | None] = [None] * SLOTS
        for first, last, address, _ in found:
            owners[first : last + 1] = [self._node(address)] * (last + 1 - first)
        self._replicas = tuple(replica for each in found for replica in each.replicas)
        if owners != self._owners:
            self._owners = owners
            self._changed()
        for node in list(self._nodes.values()):
            # It has no slots any more, and nobody waits for it.
            if node.link.idle and node not in self._owners:
                del self._nodes[node.address]
                await node.task.stop()


def _refused(answers: Sequence[Any]) -> list[int]:
    """The places of calls that have no answer yet: they were refused, or nobody has got them."""
    return [place for place, answer in enumerate(answers) if isinstance(answer, hiredis.ReplyError)]


def _forget(futures: Iterable["asyncio.Future[list[Any]]"]) -> None:
    """Whatever they come to, nobody waits for them any more."""
    for future in futures:
        if not future.cancel() and not future.cancelled():
            future.exception()
