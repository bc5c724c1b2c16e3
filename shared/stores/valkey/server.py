"""Valkey or Redis, however many servers it is; the one place that knows the driver's errors.

The driver opens connections (URL, TLS, password, database), and its parser reads the answers. Its pool, pipelines,
timeouts and retries are left out: they cost more than all the rest, and know neither the call's deadline nor the retry
budget.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Any

import hiredis

from shared.contract.errors import DeadlineReached, StoreUnavailable
from shared.stores.valkey.script import Script, ScriptCalls, Value
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.retry import Retrier, Transient, TransientError

_log = logging.getLogger("savepoint.valkey")

STORE = "valkey"
# What a server answers that cannot do anything right now: its memory or its disk is full, a script holds it up, it
# still reads its data, replicas are missing, most of its cluster is gone.
_UNABLE = ("OOM", "MISCONF", "BUSY", "LOADING", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")
_READ_ONLY = "READONLY"
# What only a node of a cluster answers.
_OF_A_CLUSTER = ("MOVED", "ASK")
IN_A_CLUSTER = (
    "setting REDIS_URL names a node of a cluster: that takes REPLICATION_MODE=cluster, and "
    "CACHE_REPLICATION_MODE=cluster where it is the player cache"
)
NOT_IN_A_CLUSTER = (
    "setting REDIS_URL names a server that is in no cluster: that takes REPLICATION_MODE=single, and "
    "CACHE_REPLICATION_MODE=single where it is the player cache"
)


def is_read_only(error: hiredis.ReplyError) -> bool:
    """Whether a server says that it is a replica."""
    return str(error).startswith(_READ_ONLY)


class Valkey(ABC):
    """Where scripts run. Made by `connect`."""

    # Whether keys that share no hash tag need calls of their own.
    apart = False

    def __init__(self, telemetry: StoreTelemetry, *, tells_reign: bool) -> None:
        # Whether scripts get one more argument: the reign of the primary that runs them (link.py).
        self.tells_reign = tells_reign
        # By time.monotonic: when this process last met a primary that it did not know, or learned that keys have moved.
        # What others have written just before may not be seen from then on. 0 for a server that is alone.
        self.changed_at = 0.0
        # Why what the URL names cannot be used in this mode, where that was seen.
        self.misfit = ""
        self._telemetry = telemetry
        self._retrier = Retrier()

    async def run(self, script: Script, keys: Sequence[Value], args: Sequence[Value] = ()) -> Any:
        """Runs a script and returns its answer, strings as bytes. It is sent again when the connection breaks, so it
        must do no harm the second time. Raises StoreUnavailable, DeadlineReached."""
        return (await self.run_each(script, ((keys, args),)))[0]

    async def run_each(self, script: Script, calls: ScriptCalls) -> list[Any]:
        """Likewise for many sets of keys and arguments at once; the answers are in their order."""
        if not calls:
            return []
        with self._telemetry.query(script.name, script.query_type, script.table) as measured:
            try:
                answers = await self._ran(script, calls)
            except TransientError as error:
                raise StoreUnavailable(STORE) from error
            measured.rows_affected = len(answers)
            return answers

    @abstractmethod
    async def ping(self) -> None:
        """Raises StoreUnavailable unless a server runs a script in time."""

    @abstractmethod
    def lane(self, key: Value) -> int:
        """Calls of different lanes do not wait for the same server."""

    @abstractmethod
    def _ran(self, script: Script, calls: ScriptCalls) -> Awaitable[list[Any]]:
        """Runs the calls, again where that may help. Raises TransientError where it has not helped."""

    def does_not_fit(self, why: str) -> None:
        """Notes that the URL and the mode do not go together, and says so once."""
        if not self.misfit:
            _log.error(why)
        self.misfit = why

    def _changed(self) -> None:
        self.changed_at = time.monotonic()

    def _begin(self) -> None:
        # The call that this is for is cancelled at its deadline. Without a call, the connection's own bounds end the
        # wait.
        if deadline.passed():
            raise DeadlineReached

    def _translated(self, error: Exception) -> Exception:
        translated: Exception
        if isinstance(error, hiredis.ReplyError):
            code = str(error).partition(" ")[0]
            if code in _UNABLE:
                kind, translated = "UNABLE", StoreUnavailable(STORE)
            elif code in _OF_A_CLUSTER:
                self.does_not_fit(IN_A_CLUSTER)
                kind, translated = "UNABLE", StoreUnavailable(STORE)
            elif is_read_only(error):
                kind, translated = Transient.REPLICA_LAG.value, TransientError(Transient.REPLICA_LAG)
            else:
                kind, translated = "SCRIPT", RuntimeError(f"valkey refused a script: {error}")
        else:
            kind, translated = Transient.CONNECTION_TIMEOUT.value, TransientError(Transient.CONNECTION_TIMEOUT)
        self._telemetry.error(kind)
        translated.__cause__ = error
        return translated
