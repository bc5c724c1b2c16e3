"""Effects that happen once however often they are asked for, and refusals that stay.

A write that moves value inserts a row into its database's `requests` table within its own statement: the request_id, a
fingerprint of what was asked, and the answer, or the refusal where the state did not allow it (refusal.py). What
is answered is what is recorded: the first answer is made of the JSON that the row keeps, so a replay is the same to the
byte, and a statement that was late finds the row and does nothing. Kept 7 days.

Not recorded is what says nothing about the state: a malformed field, a reused request_id, a store that is down, a
deadline that passed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from shared.contract.errors import DeadlineReached, RequestIdReused, SavepointError
from shared.stores.errors import ConstraintViolated
from shared.stores.postgres import Postgres
from shared.stores.postgres.queries import Query
from shared.stores.requests.key import RequestKey
from shared.stores.requests.refusal import FINAL, Refusal, outcome
from shared.work.batching import Batcher

T = TypeVar("T")

_log = logging.getLogger("savepoint.requests")

_EVERY_S = 3600
# Between two deletions of 10,000: the calls come first.
_PAUSE_S = 1

# SQL joins in: every effect is guarded by NOT EXISTS on this id, so a plain repeat changes nothing and a racing one
# fails on the primary key.
_FIND = Query(
    "find_requests",
    "select",
    "requests",
    """SELECT request_id, method, fingerprint, answer::text AS answer
       FROM requests WHERE request_id = ANY(%(request_ids)s)""",
)
_REFUSE = Query(
    "record_refusal",
    "insert",
    "requests",
    """INSERT INTO requests (request_id, method, fingerprint, answer)
       SELECT %(request_id)s, %(method)s, %(fingerprint)s, %(answer)s::jsonb
       WHERE clock_timestamp() <= %(not_after)s
       ON CONFLICT (request_id) DO NOTHING""",
)
_FORGET = Query(
    "forget_requests",
    "delete",
    "requests",
    """DELETE FROM requests WHERE request_id IN (
         SELECT request_id FROM requests WHERE created_at < now() - interval '7 days' LIMIT 10000)""",
)


@dataclass(frozen=True)
class _Recorded:
    request_id: UUID
    method: str
    fingerprint: bytes
    answer: str


class RequestRecords:
    """The request records of one database."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._found: Batcher[UUID, _Recorded | None] = Batcher(self._find_all, keys=lambda _: ())

    async def once(
        self, key: RequestKey, effect: Callable[[], Awaitable[T | Refusal | None]], read: Callable[[str], T]
    ) -> T:
        """The answer to a request: that of `effect`, or the one recorded before, which `read` makes from its JSON.

        `effect` returns what its statement recorded, an answer or a refusal; or None if it left everything as it was:
        the request was done before, or its time was over. What it raises of FINAL is a refusal that is not recorded
        yet. Raises the refusal's error, RequestIdReused when the record is of another request, DeadlineReached, and
        whatever else `effect` raises.
        """
        try:
            result = await effect()
        except ConstraintViolated as error:
            if error.name != "requests_pkey":
                raise
            result = None  # a twin was faster
        except FINAL as error:
            result = await self._refuse(key, Refusal.of(error))
        if result is None:
            result = await self._find(key, read)
        if result is None:
            # Nothing was done, now or before: the statement came after its call's deadline.
            raise DeadlineReached
        if isinstance(result, Refusal):
            raise result.error()
        return result

    async def forget_old(self) -> int:
        """Removes records older than 7 days, at most 10,000 at a time. Returns how many went."""
        return await self._database.execute(_FORGET, {}, repeatable=True)

    async def forget_forever(self) -> None:
        """The background task: forgets old records every hour, until cancelled."""
        while True:
            try:
                while await self.forget_old():
                    await asyncio.sleep(_PAUSE_S)
            except SavepointError as error:
                _log.warning("old request records stay for now: %s", error.message)
            await asyncio.sleep(_EVERY_S)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._found.close()

    async def _refuse(self, key: RequestKey, refusal: Refusal) -> Refusal | None:
        """Records a refusal and returns it; None if a twin has its record already, or the time is over."""
        params = {**key.params(), "answer": refusal.json()}
        return refusal if await self._database.execute(_REFUSE, params, repeatable=True) else None

    async def _find(self, key: RequestKey, read: Callable[[str], T]) -> T | Refusal | None:
        found = await self._found.do(key.request_id)
        if found is None:
            return None
        if (found.method, found.fingerprint) != (key.method, key.fingerprint):
            raise RequestIdReused(key.request_id)
        return outcome(found.answer, read)

    async def _find_all(self, request_ids: Sequence[UUID]) -> list[_Recorded | None]:
        rows = await self._database.fetch(_FIND, {"request_ids": list(request_ids)}, _Recorded)
        records = {row.request_id: row for row in rows}
        return [records.get(request_id) for request_id in request_ids]
