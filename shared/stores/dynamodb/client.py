"""One client a process, for the one table that it uses. Each request has a bound, is measured, and is repeated as
shared/work/retry.py says; the driver's own retries are off.

Reads are strongly consistent: they see every write that was answered. A transaction is sent under a token, so that a
second one finds the work of the first, whose answer was lost.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from shared.contract.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.stores.dynamodb.failures import STORE, kind_of, translated
from shared.stores.dynamodb.items import (
    PARTITION,
    SORT,
    Item,
    Key,
    Page,
    Query,
    Range,
    Write,
    item_in,
    key_of,
    key_out,
    values_out,
    write_out,
)
from shared.stores.dynamodb.table import Access, open_client, wait
from shared.stores.errors import StoreUnfit
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.bounds import PING_S
from shared.work.retry import Retrier, Transient, TransientError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

T = TypeVar("T")

_log = logging.getLogger("savepoint.dynamodb")

# What one request takes.
MOST_READ = 100
MOST_WRITES = 100
MOST_DELETED = 25

_PING = Key("ping", "ping")
_RANGE = f"{PARTITION} = :p AND {SORT} BETWEEN :first AND :last"


class DynamoDb:
    """The table. Made by `connect`.

    Every method raises StoreUnavailable when DynamoDB does not answer, or cannot be used any more; Overloaded when it
    takes no more right now, and then nothing was written; DeadlineReached.
    """

    def __init__(
        self, driver: "DynamoDBClient", access: Access, answer_timeout_s: float, telemetry: StoreTelemetry
    ) -> None:
        self._driver = driver
        self._table = access.table
        self._answer_timeout_s = answer_timeout_s
        self._retrier = Retrier()
        self._on_their_way = 0
        # What was said of a table that cannot be used, so that it is said once.
        self._unfit = ""
        self.telemetry = telemetry
        telemetry.metrics.watch_connections(STORE, lambda: self._on_their_way)

    async def get(self, what: Query, keys: Sequence[Key]) -> Mapping[Key, Item]:
        """Those of the items that there are."""
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for some in _portions(wanted, MOST_READ):
            found.update(await self._get(what, some))
        return found

    async def query(
        self,
        what: Query,
        within: Range,
        *,
        limit: int,
        after: Key | None = None,
        forward: bool = True,
        count: bool = False,
    ) -> Page:
        """Up to `limit` items of a range, or as many as make up 1 MB, in their order or the opposite one, from behind
        `after` on; with `count`, only how many they are."""
        asked: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": _RANGE,
            "ExpressionAttributeValues": values_out(
                {":p": within.partition, ":first": within.first, ":last": within.last}
            ),
            "ScanIndexForward": forward,
            "Limit": limit,
        }
        if count:
            asked["Select"] = "COUNT"
        if after:
            asked["ExclusiveStartKey"] = key_out(after)
        with self._measured(what) as measured:
            answer = await self._retried(lambda: self._driver.query(**asked))
            measured.rows_affected = answer["Count"]
        end = answer.get("LastEvaluatedKey")
        items = [] if count else [item_in(item) for item in answer["Items"]]
        return Page(items, answer["Count"], key_of(item_in(end)) if end else None)

    async def write(self, what: Query, writes: Sequence[Write]) -> None:
        """Up to MOST_WRITES writes to as many items, all of them or none. Raises ConditionFailed, WriteConflict."""
        items: Any = [write_out(write, self._table) for write in writes]
        token = secrets.token_hex(16)
        with self._measured(what) as measured:
            await self._retried(
                lambda: self._driver.transact_write_items(TransactItems=items, ClientRequestToken=token)
            )
            measured.rows_affected = len(writes)

    async def delete(self, what: Query, keys: Sequence[Key]) -> None:
        """Deletes items, each by itself: at half of what a transaction costs."""
        for some in _portions(keys, MOST_DELETED):
            await self._delete(what, some)

    async def ping(self) -> None:
        """Raises StoreUnavailable unless the table is read in time, StoreUnfit where that cannot be."""
        try:
            async with asyncio.timeout(PING_S):
                await self._attempt(lambda: self._driver.get_item(TableName=self._table, Key=key_out(_PING)))
        except (TransientError, TimeoutError, DeadlineReached) as error:
            raise StoreUnavailable(STORE) from error
        self._unfit = ""

    async def _get(self, what: Query, keys: Sequence[Key]) -> Mapping[Key, Item]:
        found: dict[Key, Item] = {}
        left: Any = [key_out(key) for key in keys]

        async def ask() -> None:
            nonlocal left
            request: Any = {self._table: {"Keys": left, "ConsistentRead": True}}
            answer = await self._attempt(lambda: self._driver.batch_get_item(RequestItems=request))
            for item in map(item_in, answer["Responses"].get(self._table, ())):
                found[key_of(item)] = item
            if unread := answer.get("UnprocessedKeys"):
                left = unread[self._table]["Keys"]
                raise TransientError(Transient.THROTTLED)

        with self._measured(what) as measured:
            await self._repeated(ask)
            measured.rows_affected = len(found)
        return found

    async def _delete(self, what: Query, keys: Sequence[Key]) -> None:
        left: Any = [{"DeleteRequest": {"Key": key_out(key)}} for key in keys]

        async def ask() -> None:
            nonlocal left
            request: Any = {self._table: left}
            answer = await self._attempt(lambda: self._driver.batch_write_item(RequestItems=request))
            if undone := answer.get("UnprocessedItems"):
                left = undone[self._table]
                raise TransientError(Transient.THROTTLED)

        with self._measured(what) as measured:
            await self._repeated(ask)
            measured.rows_affected = len(keys)

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        return await self._repeated(lambda: self._attempt(call))

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Under the policy of retries."""
        unsure = False

        async def once() -> T:
            nonlocal unsure
            try:
                return await attempt()
            except TransientError as error:
                unsure = unsure or error.kind is not Transient.THROTTLED
                raise

        try:
            return await self._retrier.run(once)
        except TransientError as error:
            if error.kind is Transient.THROTTLED and not unsure:
                raise Overloaded("DynamoDB takes no more of this right now; try again in a moment") from error
            # Also where the last attempt was throttled: one before it may have written.
            raise StoreUnavailable(STORE) from error
        except StoreUnfit as error:
            self._say(error)
            raise StoreUnavailable(STORE) from error

    async def _attempt(self, call: Callable[[], Awaitable[T]]) -> T:
        if deadline.passed():
            raise DeadlineReached
        self._on_their_way += 1
        try:
            async with asyncio.timeout(self._answer_timeout_s):
                return await call()
        except Exception as error:
            meaning = translated(error, self._table)
            if kind := kind_of(meaning, error):
                self.telemetry.error(kind)
            raise meaning from error
        finally:
            self._on_their_way -= 1

    def _say(self, error: StoreUnfit) -> None:
        if str(error) != self._unfit:
            self._unfit = str(error)
            _log.error("%s", error)

    @contextmanager
    def _measured(self, what: Query) -> Iterator[Any]:
        with self.telemetry.query(what.name, what.query_type, what.table) as measured:
            yield measured


@asynccontextmanager
async def connect(
    access: Access, telemetry: StoreTelemetry, *, answer_timeout_s: float, start_timeout_s: float
) -> AsyncIterator[DynamoDb]:
    """The table, which must answer within `start_timeout_s`; closed on the way out. Raises StoreUnavailable; StoreUnfit
    at once when there is no such table, it has other keys, or the credentials are refused."""
    async with open_client(access, answer_timeout_s) as driver:
        await wait(driver, access.table, start_timeout_s)
        yield DynamoDb(driver, access, answer_timeout_s, telemetry)


def _portions(keys: Sequence[Key], size: int) -> Iterator[Sequence[Key]]:
    return (keys[at : at + size] for at in range(0, len(keys), size))
