"""MongoDB: single operations; the one place that knows the driver's errors.

Writes are acknowledged by a majority of the members, and reads see what a majority has, so neither is undone by a
failover. An operation waits no longer than the current call's deadline allows: the driver tells the server
(maxTimeMS), and gives up a moment later itself. When the deadline has passed, nothing new is begun. Where no server
takes writes, an operation waits SELECT_S for one to turn up, and not for all of its time.

What has to be the same on a server that stands alone, on a replica set and behind the routers of a cluster stays within
what all three have: no transactions, no change streams.
"""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pymongo
from pymongo import AsyncMongoClient, ReturnDocument, errors
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from shared.contract.errors import DeadlineReached, Overloaded, StoreUnavailable
from shared.stores.errors import StoreUnfit
from shared.stores.mongodb.connections import Counted
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline
from shared.work.attempts import Attempts
from shared.work.bounds import LONGEST_CALL_S, PING_S
from shared.work.retry import Retrier, Transient, TransientError

T = TypeVar("T")
Document = dict[str, Any]
Session = AsyncClientSession

_log = logging.getLogger("savepoint.mongodb")

STORE = "mongodb"
CONNECT_TIMEOUT_S = 2
# How long an operation waits for a server that takes writes; an election takes some seconds.
SELECT_S = 5
# Longest wait for a connection; a call's deadline may be nearer.
POOL_WAIT_S = 5
_START_POLL_S = 0.5
# So many documents come in one answer, where they fit into the 16 MB that it may have.
_LARGEST_LIST = 20_000
_DUPLICATE_KEY = 11000
# Another operation is at the same document; and an operation that the server ended because it took too long, or
# because somebody told it to (killOp).
_CONFLICTS = (24, 112)
_TOO_LONG = (50, 262, 11601)
# A member is away, or is no primary any more. The driver knows most of these, but not in the answer for a single
# document, in which the router of a cluster tells what its shards have said.
_AWAY = (6, 7, 89, 91, 133, 134, 189, 202, 9001, 10058, 10107, 11600, 11602, 13435, 13436)
# The server takes no operation of this user, or not this one.
_NOT_ALLOWED = (13, 18)


class Mongo:
    """One database. Made by `connect`. A document's ids may be UUIDs, its times have their zone."""

    def __init__(self, database: AsyncDatabase[Document], telemetry: StoreTelemetry) -> None:
        self._database = database
        self._telemetry = telemetry
        self._retrier = Retrier()
        # What was said of a database that cannot be used, so that it is said once.
        self._unfit = ""

    async def insert_new(self, collection: str, documents: Sequence[Document]) -> list[int]:
        """Inserts those whose _id, or another unique key, is not there yet. Returns the places of the others. It may be
        repeated."""

        async def insert() -> list[int]:
            try:
                await self._database[collection].insert_many(documents, ordered=False)
            except errors.BulkWriteError as error:
                return _taken(error)
            return []

        return await self._run("insert_new", "insert", collection, insert)

    async def find(
        self,
        collection: str,
        wanted: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] | None = None,
        session: Session | None = None,
    ) -> list[Document]:
        """The documents that fit; all of their fields, or those that are named and _id."""

        async def find() -> list[Document]:
            found = self._database[collection].find(wanted, fields, session=session, limit=limit, sort=list(sort))
            # Read in one piece: the caller has bounded how many there are.
            return await found.batch_size(_LARGEST_LIST).to_list()

        return await self._run("find", "select", collection, find)

    async def aggregate(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """What comes out of the last stage."""

        async def aggregate() -> list[Document]:
            return await (await self._database[collection].aggregate(stages, batchSize=_LARGEST_LIST)).to_list()

        return await self._run("aggregate", "select", collection, aggregate)

    async def change_one(
        self,
        collection: str,
        wanted: Mapping[str, Any],
        change: Any,
        *,
        repeatable: bool,
        make: bool = False,
        session: Session | None = None,
    ) -> Document:
        """Changes the one document that fits, and returns it as it is then. Where there is none, raises
        StoreUnavailable, or makes it, with `make`.

        `repeatable`: may it be sent again when nobody knows whether it took effect?"""

        async def change_it() -> Document:
            found = await self._database[collection].find_one_and_update(
                wanted, change, upsert=make, return_document=ReturnDocument.AFTER, session=session
            )
            if found is None:
                raise StoreUnavailable(STORE)
            return found

        return await self._run("change_one", "update", collection, change_it, repeatable=repeatable)

    async def update(self, collection: str, wanted: Mapping[str, Any], change: Any) -> int:
        """Changes all that fit. Returns how many were changed. It must do no harm the second time."""

        async def update() -> int:
            return (await self._database[collection].update_many(wanted, change)).modified_count

        return await self._run("update", "update", collection, update)

    async def command(self, name: str, collection: str, **options: Any) -> Document:
        """Runs a command that does no harm the second time. Raises StoreUnfit where the user may not."""

        async def run() -> Document:
            return await self._database.command(name, collection, **options)

        return await self._told(name, "update", collection, run, repeatable=True)

    async def make_index(self, collection: str, keys: Sequence[tuple[str, int]], name: str, **options: Any) -> None:
        """Makes an index where it is missing. Raises StoreUnfit where there is another one of that name, or the user
        may not."""

        async def make() -> None:
            try:
                await self._database[collection].create_index(keys, name=name, **options)
            except errors.OperationFailure as error:
                if error.code in (85, 86):
                    raise StoreUnfit(
                        f"the index {name} of {collection} is another one than this version needs"
                    ) from error
                raise

        await self._told("make_index", "update", collection, make, repeatable=True)

    async def index_option(self, collection: str, name: str, option: str) -> Any:
        """What an index was made with; None where there is no such index."""

        async def read() -> Any:
            return (await self._database[collection].index_information()).get(name, {}).get(option)

        return await self._run("index_option", "select", collection, read)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Operations that are given it see what those before them have seen, and more, whichever member answers."""
        async with self._database.client.start_session(causal_consistency=True) as session:
            yield session

    async def ping(self, check: Callable[[Document], None] = lambda _: None) -> None:
        """Raises unless the database answers in time, and what `check` raises for the document in its collection
        `schema`, an empty one where there is none. That all connections are busy is no failure."""
        try:
            with deadline.within(PING_S):
                # A find, and no `ping`: that is answered by a member that cannot serve, too.
                found = await self._once(lambda: self._database["schema"].find_one(), repeatable=False)
        except TransientError as error:
            raise StoreUnavailable(STORE) from error
        except Overloaded:
            return
        check(found or {})
        self._unfit = ""

    async def close(self) -> None:
        """Closes the connections; what is under way fails."""
        await self._database.client.close()

    async def _run(
        self, name: str, query_type: str, table: str, work: Callable[[], Awaitable[T]], *, repeatable: bool = True
    ) -> T:
        """Does it for a call, which cannot do anything about a database that is unfit."""
        try:
            return await self._told(name, query_type, table, work, repeatable=repeatable)
        except StoreUnfit as error:
            if str(error) != self._unfit:
                self._unfit = str(error)
                _log.error("%s", error)
            raise StoreUnavailable(STORE) from error

    async def _told(
        self, name: str, query_type: str, table: str, work: Callable[[], Awaitable[T]], *, repeatable: bool
    ) -> T:
        """Measures it, and repeats it as the policy says. Raises StoreUnfit too."""

        async def attempt() -> T:
            with self._telemetry.query(name, query_type, table) as measured:
                result = await self._once(work, repeatable=repeatable)
                measured.rows_affected = len(result) if isinstance(result, list) else 0
                return result

        attempts = Attempts(attempt, lambda: StoreUnavailable(STORE))
        try:
            return await self._retrier.run(attempts.once)
        except TransientError as error:
            raise StoreUnavailable(STORE) from error

    async def _once(self, work: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """Does it within the deadline. Counts the driver's errors and turns them into ours."""
        if deadline.passed():
            raise DeadlineReached
        try:
            await self._reach()
            with pymongo.timeout(deadline.remaining(LONGEST_CALL_S)):
                return await work()
        except errors.WaitQueueTimeoutError as error:
            self._telemetry.error("POOL_EXHAUSTED")
            raise Overloaded("every database connection is in use; try again in a moment") from error
        except errors.ConnectionFailure as error:
            if deadline.passed():
                self._telemetry.error("STATEMENT_TIMEOUT")
                raise DeadlineReached from error
            self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
            raise TransientError(Transient.CONNECTION_TIMEOUT, repeatable=repeatable) from error
        except (errors.WTimeoutError, errors.WriteConcernError) as error:
            # It was done, and may be undone: too few members have answered.
            self._telemetry.error("WRITE_CONCERN")
            raise StoreUnavailable(STORE) from error
        except errors.OperationFailure as error:
            raise self._failure(error, repeatable=repeatable) from error
        except errors.PyMongoError as error:
            if not error.timeout:
                raise
            self._telemetry.error("STATEMENT_TIMEOUT")
            raise DeadlineReached from error

    async def _reach(self) -> None:
        """Returns when some server takes writes. Raises StoreUnavailable when there is none within SELECT_S.

        The driver itself would look for one for as long as the operation may take, and the caller would not hear why
        it has waited."""
        client = self._database.client
        if client.topology_description.has_writable_server():
            return
        try:
            # A tenth of the time is kept back, so that the caller still learns it.
            with pymongo.timeout(deadline.remaining(SELECT_S) * 0.9):
                await client.admin.command("ping")
        except errors.ServerSelectionTimeoutError as error:
            self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
            raise StoreUnavailable(STORE) from error

    def _failure(self, error: errors.OperationFailure, *, repeatable: bool) -> Exception:
        """What the server's own error means; itself where that is a mistake of ours."""
        if error.code in _TOO_LONG:
            self._telemetry.error("STATEMENT_TIMEOUT")
            return DeadlineReached()
        if error.code in _CONFLICTS:
            self._telemetry.error(Transient.DEADLOCK_DETECTED.value)
            return TransientError(Transient.DEADLOCK_DETECTED)
        if error.code in _AWAY:
            self._telemetry.error(Transient.CONNECTION_TIMEOUT.value)
            return TransientError(Transient.CONNECTION_TIMEOUT, repeatable=repeatable)
        if error.code in _NOT_ALLOWED:
            return StoreUnfit(
                "MONGODB_URL's user is not let in, or may not do that: it takes the role readWrite on its database, "
                "and dbAdmin to change RETENTION_DAYS"
            )
        return error


@asynccontextmanager
async def connect(url: str, pool_size: int, start_timeout_s: float, telemetry: StoreTelemetry) -> AsyncIterator[Mongo]:
    """A database that answers; closed on the way out. Raises StoreUnavailable when it does not within
    `start_timeout_s`, StoreUnfit for a URL that is none or leads nowhere, and for one without a database."""
    database = Mongo(_database(url, pool_size, telemetry), telemetry)
    try:
        await _until_there(database, start_timeout_s)
        yield database
    finally:
        await database.close()


def _database(url: str, pool_size: int, telemetry: StoreTelemetry) -> AsyncDatabase[Document]:
    try:
        with warnings.catch_warnings():
            # The driver would leave such an option out, "tsl=true" for one, and only warn.
            warnings.simplefilter("error", UserWarning)
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                url,
                appname="savepoint",
                maxPoolSize=pool_size,
                waitQueueTimeoutMS=POOL_WAIT_S * 1000,
                connectTimeoutMS=CONNECT_TIMEOUT_S * 1000,
                serverSelectionTimeoutMS=SELECT_S * 1000,
                w="majority",
                readConcernLevel="majority",
                readPreference="primary",
                uuidRepresentation="standard",
                tz_aware=True,
                event_listeners=[Counted(telemetry.metrics, STORE)],
            )
        return client.get_default_database()
    except UserWarning:
        # Its message may repeat a password, too.
        raise StoreUnfit(
            "setting MONGODB_URL has an option that there is not, or a value that its option does not take: the "
            "options are those of MongoDB's connection strings"
        ) from None
    except (errors.ConfigurationError, errors.InvalidURI, ValueError):
        # The driver's message may repeat the password.
        raise StoreUnfit(
            "setting MONGODB_URL cannot be read: it takes mongodb://user:password@host:port/database?options, "
            "with %-escapes for what is special in a URL"
        ) from None
    except OSError as error:
        raise StoreUnfit(f"setting MONGODB_URL names a file that cannot be read: {error}") from None


async def _until_there(database: Mongo, within_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        try:
            await database.ping()
            return
        except (StoreUnavailable, DeadlineReached):
            if loop.time() > until:
                raise StoreUnavailable(STORE) from None
        except errors.ConfigurationError as error:
            # The name service has not told which servers mongodb+srv:// stands for; it may not know them yet.
            if loop.time() > until:
                raise StoreUnfit(f"setting MONGODB_URL leads to no server: {error}") from error
        await asyncio.sleep(_START_POLL_S)


def _taken(error: errors.BulkWriteError) -> list[int]:
    """The places of the documents whose key was taken. Raises what failed with another one, as if all had."""
    details = error.details or {}
    if details.get("writeConcernErrors"):
        raise StoreUnavailable(STORE) from error
    failed = details.get("writeErrors", [])
    for failure in failed:
        if failure["code"] != _DUPLICATE_KEY:
            raise errors.OperationFailure(failure["errmsg"], failure["code"], failure) from error
    return [failure["index"] for failure in failed]
