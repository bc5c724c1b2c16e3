"""Request records: a request takes effect once however often it is sent, and a refusal is final.

A write that moves value records its outcome within its own statement: the request_id in `requests`, which is unique
there, and a fingerprint of what was asked with the answer in `request_answers`, or the refusal where the state did not
allow it (refusal.py). Every answer, the first one too, is made from the JSON in the record, so a replay is the same to
the byte. A statement that comes after its twin finds the record and does nothing.

Records are kept for some days (REQUESTS_KEPT_DAYS), counted from the end of the day in UTC. Answers, which may be
large, lie in a partition for each day, which is dropped as a whole; the rows of `requests` are small, and are deleted
(docs/adr/0009-request-records.md). Where the dialect has no partitions, a record is one row, and is deleted as such.

Not recorded is what says nothing about the state: a malformed field, a reused request_id, a store that is down, a
deadline that passed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from shared.contract.errors import DeadlineReached, Overloaded, RequestIdReused, SavepointError, StoreUnavailable
from shared.stores.errors import ConstraintViolated
from shared.stores.postgres import STORE, Postgres
from shared.stores.postgres.queries import load, load_pieces
from shared.stores.requests.kept import KeptAnswer
from shared.stores.requests.key import RequestKey
from shared.stores.requests.refusal import FINAL, Refusal, outcome
from shared.work.batching import Batcher

T = TypeVar("T")

_log = logging.getLogger("savepoint.requests")

# What the queries of the areas include.
PIECES = load_pieces(Path(__file__).with_name("pieces.sql"))
QUERIES = load(Path(__file__).with_name("queries.sql"), PIECES)

_EVERY_S = 3600
# After a failure.
_AGAIN_S = 60
# A pause between two deletions of many rows, so that calls are not held up.
_PAUSE_S = 1
# How long the background work may be down before answers go into the default partition.
_DAYS_AHEAD = 7


def recorded_meanwhile(error: ConstraintViolated) -> bool:
    """Whether a statement failed because a twin, another attempt of the same request, has recorded its outcome. If both
    began in the same microsecond, the statement fails on the key of the day's partition, which contains the time."""
    return error.name == "requests_pkey" or error.name.startswith("request_answers_")


@dataclass(frozen=True)
class _Recorded:
    request_id: UUID
    method: str
    fingerprint: bytes
    version: int
    answer: str


@dataclass(frozen=True)
class _Cutoff:
    forgotten_before: datetime


@dataclass(frozen=True)
class _Dropped:
    dropped: int


@dataclass(frozen=True)
class _Made:
    made: int


class RequestRecords:
    """The request records of one database."""

    def __init__(self, database: Postgres, kept_days: int = 7) -> None:
        self._database = database
        self._queries = QUERIES.of(database.dialect)
        self._kept_days = kept_days
        self._found: Batcher[UUID, _Recorded | None] = Batcher(self._find_all, keys=lambda _: ())

    async def once(
        self, key: RequestKey, effect: Callable[[], Awaitable[T | Refusal | None]], kept: KeptAnswer[T]
    ) -> T:
        """The answer to a request: that of `effect`, or the one recorded before, which `kept` reads.

        `effect` returns what its statement recorded, an answer or a refusal; or None if it left everything as it was:
        the request was done before, or its time was over. If it raises an error of FINAL, that is a refusal that is not
        recorded yet; `once` records it. Raises the refusal's error, RequestIdReused when the record is of another
        request, DeadlineReached, and whatever else `effect` raises.
        """
        try:
            result = await effect()
        except ConstraintViolated as error:
            if not recorded_meanwhile(error):
                raise
            result = None
        except FINAL as error:
            result = await self._refuse(key, Refusal.of(error), kept.version)
        if result is None:
            result = await self._find(key, kept)
        if result is None:
            # Nothing was done, now or before: the statement came after its call's deadline.
            raise DeadlineReached
        if isinstance(result, Refusal):
            raise result.error()
        return result

    async def prepare(self) -> None:
        """To be called before the first request: makes the partitions, so that today's answers find theirs. Where that
        fails, the background task tries again; answers are kept all the same."""
        try:
            await self.make_partitions()
        except SavepointError as error:
            _log.warning("today's request records go into the default partition: %s", error.message)

    async def make_partitions(self) -> int:
        """Makes the partitions of today and the days to come, where there are any. Returns how many were missing."""
        if not self._database.dialect.partitions:
            return 0
        params = {"days_ahead": _DAYS_AHEAD}
        [row] = await self._database.fetch(self._queries["make_request_partitions"], params, _Made, repeatable=False)
        return row.made

    async def forget_old(self) -> None:
        """Removes the records of days that ended longer ago than records are kept."""
        dialect = self._database.dialect
        params = {"kept_days": self._kept_days}
        [row] = await self._database.fetch(self._queries["find_cutoff"], params, _Cutoff)
        before = {"forgotten_before": row.forgotten_before, "at_once": dialect.forgotten_at_once}
        # The ids first: an id whose answer is gone would be taken for a request that came too late.
        for query in ("forget_requests", "forget_default_answers") if dialect.partitions else ("forget_requests",):
            while await self._database.execute(self._queries[query], before, repeatable=True):
                await asyncio.sleep(_PAUSE_S)
        while dialect.partitions and await self._drop_partition(row.forgotten_before):
            await asyncio.sleep(_PAUSE_S)

    async def forget_forever(self) -> None:
        """The background task: makes partitions and forgets old records every hour, until cancelled."""
        while True:
            try:
                await self.make_partitions()
                await self.forget_old()
                wait_s = _EVERY_S
            except SavepointError as error:
                _log.warning("old request records stay for now: %s", error.message)
                wait_s = _AGAIN_S
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._found.close()

    async def _drop_partition(self, forgotten_before: datetime) -> int:
        params = {"forgotten_before": forgotten_before}
        [row] = await self._database.fetch(self._queries["drop_request_partition"], params, _Dropped, repeatable=False)
        return row.dropped

    async def _refuse(self, key: RequestKey, refusal: Refusal, version: int) -> Refusal | None:
        """Records a refusal and returns it; None if another attempt has recorded its outcome already, or the time is
        over."""
        params = {**key.params(), "answer": refusal.json(), "answer_version": version}
        refused = await self._database.execute(self._queries["record_refusal"], params, repeatable=True)
        return refusal if refused else None

    async def _find(self, key: RequestKey, kept: KeptAnswer[T]) -> T | Refusal | None:
        try:
            found = await self._found.do(key.request_id)
        except Overloaded as error:
            # Overloaded promises that nothing was done. An attempt of the effect whose connection broke may have.
            raise StoreUnavailable(STORE) from error
        if found is None:
            return None
        if (found.method, found.fingerprint) != (key.method, key.fingerprint):
            raise RequestIdReused(key.request_id)
        return outcome(found.answer, lambda answer: kept.read(answer, found.version))

    async def _find_all(self, request_ids: Sequence[UUID]) -> list[_Recorded | None]:
        rows = await self._database.fetch(self._queries["find_requests"], {"request_ids": list(request_ids)}, _Recorded)
        if rows:
            # Seen, not committed by us: the answer must not be lost with this server.
            await self._database.confirm()
        records = {row.request_id: row for row in rows}
        return [records.get(request_id) for request_id in request_ids]
