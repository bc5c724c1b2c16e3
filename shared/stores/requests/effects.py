"""The effects of one RPC: those of many callers in one statement, each under its own request record.

The statement takes what is asked as JSON, one object a request, with the fields of the effect and these beside them:

    number       the request's place in the batch
    request_id, fingerprint (in hexadecimal)
    earlier_s    how many seconds the request's own deadline is before that of the statement

It judges each request by itself, and returns a row for each that has an outcome: `number`, the recorded `answer`, and
the new `versions` of what the request touches, if anybody is told of them. A request whose rows somebody else has
locked (SKIP LOCKED) has a row without an answer: its statement is run alone then, and waits. A request without a row
was done before, or its time was over.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic_core import to_json

from shared.stores.errors import SPOILED
from shared.stores.postgres import Postgres, Transaction
from shared.stores.postgres.arrays import array
from shared.stores.postgres.patience import waited
from shared.stores.postgres.queries import Query
from shared.stores.requests.kept import KeptAnswer
from shared.stores.requests.key import RequestKey
from shared.stores.requests.refusal import Refusal, outcome
from shared.work import deadline
from shared.work.batching import BUSY, Batcher, Busy
from shared.work.bounds import BATCH_BOUND_S

T = TypeVar("T")

# Says which version of a row was written.
Written = Callable[[UUID, int], None]
# Surrounds a statement, given the ids of the rows that it may write.
Announced = Callable[[Sequence[UUID]], AbstractAsyncContextManager[Written]]


@dataclass(frozen=True, slots=True)
class _Effect:
    """One request. `rows` are the ids of the rows that it touches, `keys` all that no two requests of one statement may
    have in common; `until` is its call's deadline, in the event loop's time."""

    key: RequestKey
    fields: Mapping[str, Any]
    rows: Sequence[UUID]
    keys: Sequence[Hashable]
    until: float

    def asked(self, number: int, until: float) -> Mapping[str, Any]:
        """As the statement takes it; `until` is the deadline of the whole statement."""
        return {
            "number": number,
            "request_id": self.key.request_id,
            "fingerprint": self.key.fingerprint.hex(),
            "earlier_s": max(0.0, until - self.until),
            **self.fields,
        }


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    answer: str | None
    versions: list[int] | None


class Effects(Generic[T]):
    """What one RPC does, under request ids. `method` is the RPC's, as RequestKey has it. Without `announced`, nobody is
    told of what is written. `then` is a second statement with the same parameters, in the same transaction, where one
    cannot do all of it: on CockroachDB a statement changes each table only once."""

    def __init__(
        self,
        database: Postgres,
        query: Query,
        kept: KeptAnswer[T],
        announced: Announced | None = None,
        *,
        then: Query | None = None,
    ) -> None:
        self._database = database
        self._query = query
        self._then = then
        self._patient = query.patient()
        self._kept = kept
        self._announced = announced
        # One twin too many, or one sum too large, fails the whole statement.
        self._batches: Batcher[_Effect, T | Refusal | None] = Batcher(
            self._together,
            lambda effect: effect.keys,
            alone=self._alone,
            spoiled=SPOILED,
        )

    async def do(
        self, key: RequestKey, fields: Mapping[str, Any], rows: Sequence[UUID] = (), keys: Sequence[Hashable] = ()
    ) -> T | Refusal | None:
        """The answer or the refusal that was recorded; None if the request was done before or came too late. `fields`
        are the effect's own. Two requests that touch the same of `rows` or `keys` are done in their order. Raises
        ConstraintViolated if another attempt of the request recorded its outcome meanwhile, OutOfRange."""
        until = deadline.until(BATCH_BOUND_S)
        return await self._batches.do(_Effect(key, fields, rows, (key.request_id, *rows, *keys), until))

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._batches.close()

    async def _together(self, effects: Sequence[_Effect]) -> Sequence[T | Refusal | Busy | None]:
        return await self._run(self._query, effects)

    async def _alone(self, effect: _Effect) -> T | Refusal | Busy | None:
        return await waited(self._run(self._patient, [effect]))

    async def _run(self, query: Query, effects: Sequence[_Effect]) -> Sequence[T | Refusal | Busy | None]:
        if self._announced is None:
            return self._results(effects, await self._rows(query, effects))
        failure: Exception | None = None
        async with self._announced([row for effect in effects for row in effect.rows]) as written:
            try:
                rows = await self._rows(query, effects)
            except SPOILED as error:
                # Nothing was written, which whoever was told of the statement learns by our leaving quietly.
                failure, rows = error, []
            for row in rows:
                if row.versions:
                    for of, version in zip(effects[row.number].rows, row.versions, strict=True):
                        written(of, version)
        if failure:
            raise failure
        return self._results(effects, rows)

    async def _rows(self, query: Query, effects: Sequence[_Effect]) -> Sequence[_Row]:
        until = deadline.until(BATCH_BOUND_S)
        asked = [effect.asked(number, until) for number, effect in enumerate(effects)]
        params = {
            "asked": to_json(asked).decode(),
            "request_ids": array([effect.key.request_id for effect in effects]),
            "rows": array([row for effect in effects for row in effect.rows]),
            "method": effects[0].key.method,
            **self._kept.params(),
        }
        if self._then is None:
            return await self._database.fetch(query, params, _Row, repeatable=True)
        then = self._then

        async def both(transaction: Transaction) -> list[_Row]:
            rows = await transaction.fetch(query, params, _Row)
            await transaction.execute(then, params)
            return rows

        return await self._database.transaction(both, repeatable=True, shared=query.shared)

    def _results(self, effects: Sequence[_Effect], rows: Sequence[_Row]) -> Sequence[T | Refusal | Busy | None]:
        results: list[T | Refusal | Busy | None] = [None] * len(effects)
        for row in rows:
            results[row.number] = BUSY if row.answer is None else outcome(row.answer, self._kept.read)
        return results
