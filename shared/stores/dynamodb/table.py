"""The table: how it is found, made, and looked at before it is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError, UnknownRegionError

from shared.contract.errors import StoreUnavailable
from shared.stores.dynamodb.failures import STORE, missing_table, translated
from shared.stores.dynamodb.items import PARTITION, SORT
from shared.stores.errors import MigrationError, StoreUnfit
from shared.work.retry import TransientError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

# The attribute that DynamoDB deletes an item by, some time after the moment that it holds, in seconds since 1970.
EXPIRES = "x"

CONNECT_TIMEOUT_S = 2
_POLL_S = 0.2
_KEYS = {(PARTITION, "HASH"), (SORT, "RANGE")}
# An endpoint that is not Amazon's needs some region all the same, for signatures.
_ANY_REGION = "us-east-1"


@dataclass(frozen=True)
class Access:
    """Where the table is. Without a region, that of the AWS configuration; without an endpoint, Amazon's."""

    table: str
    region: str = ""
    endpoint_url: str = ""
    connections: int = 20


class TableMissing(StoreUnfit):
    """There is no such table yet."""


@asynccontextmanager
async def open_client(access: Access, answer_timeout_s: float) -> AsyncIterator["DynamoDBClient"]:
    """The driver's client. Raises StoreUnfit where no region is known, and for settings that the driver does not
    take."""
    config = AioConfig(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=answer_timeout_s,
        max_pool_connections=access.connections,
        # Ours know the call's deadline and have a budget.
        retries={"mode": "standard", "total_max_attempts": 1},
        parameter_validation=False,
    )
    region = access.region or (_ANY_REGION if access.endpoint_url else None)
    async with AsyncExitStack() as stack:
        try:
            # The driver looks at the port only when it connects.
            _ = urlsplit(access.endpoint_url).port
            made = get_session().create_client(
                "dynamodb", region_name=region, endpoint_url=access.endpoint_url or None, config=config
            )
            opened = await stack.enter_async_context(made)
        except (NoRegionError, UnknownRegionError) as error:
            raise StoreUnfit("no AWS region is known: set AWS_REGION, say eu-central-1") from error
        except (BotoCoreError, ValueError) as error:
            raise StoreUnfit(
                f"DynamoDB cannot be reached with these settings: {error} (AWS_REGION, DYNAMODB_ENDPOINT_URL, "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE and the AWS configuration's files say how)"
            ) from error
        yield opened


async def check(driver: "DynamoDBClient", table: str) -> bool:
    """Whether the table can be used yet. Raises TableMissing, StoreUnfit for a table of other keys, TransientError."""
    try:
        described = (await driver.describe_table(TableName=table))["Table"]
    except Exception as error:
        raise _missing(error, table) from error
    keys = {(key["AttributeName"], key["KeyType"]) for key in described["KeySchema"]}
    kinds = {kind["AttributeName"]: kind["AttributeType"] for kind in described["AttributeDefinitions"]}
    if keys != _KEYS or {kinds[PARTITION], kinds[SORT]} != {"S"}:
        raise StoreUnfit(
            f"the table {table!r} has other keys than {PARTITION} and {SORT}, so it is not Savepoint's: name another "
            "one as DYNAMODB_TABLE, and make it with: python -m services.leaderboard migrate"
        )
    # While it is UPDATING, it serves.
    return described["TableStatus"] in ("ACTIVE", "UPDATING")


async def wait(driver: "DynamoDBClient", table: str, within_s: float) -> None:
    """Returns when the table can be used. Raises StoreUnavailable, and at once TableMissing or StoreUnfit."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        try:
            async with asyncio.timeout(max(_POLL_S, until - loop.time())):
                if await check(driver, table):
                    return
        except (TransientError, TimeoutError) as error:
            if loop.time() > until:
                raise StoreUnavailable(STORE) from error
        if loop.time() > until:
            raise StoreUnavailable(STORE)
        await asyncio.sleep(_POLL_S)


async def migrate(access: Access, start_within_s: float, within_s: float) -> str:
    """Makes the table where it is missing, waits until it can be used, and has DynamoDB delete what expires. Returns
    what was done; nothing where all was done before. Raises MigrationError."""
    try:
        async with open_client(access, start_within_s) as driver:
            return "\n".join(await _migrated(driver, access.table, start_within_s, within_s))
    except StoreUnavailable as error:
        raise MigrationError(f"{error.message} (waited {start_within_s:g} s)") from error
    except StoreUnfit as error:
        raise MigrationError(str(error)) from error
    except TransientError as error:
        raise MigrationError("the dynamodb store does not answer; try again in a moment") from error


async def _migrated(driver: "DynamoDBClient", table: str, start_within_s: float, within_s: float) -> list[str]:
    done = []
    try:
        await wait(driver, table, start_within_s)
    except TableMissing:
        await _make(driver, table)
        done.append(f"made the table {table}")
        await wait(driver, table, within_s)
    if await _expire(driver, table):
        done.append(f"items of {table} go when they expire, by their attribute {EXPIRES}")
    return done


async def _make(driver: "DynamoDBClient", table: str) -> None:
    try:
        await driver.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": PARTITION, "KeyType": "HASH"},
                {"AttributeName": SORT, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": PARTITION, "AttributeType": "S"},
                {"AttributeName": SORT, "AttributeType": "S"},
            ],
        )
    except ClientError as error:
        # Somebody else makes it just now.
        if error.response["Error"].get("Code") != "ResourceInUseException":
            raise translated(error, table) from error


async def _expire(driver: "DynamoDBClient", table: str) -> bool:
    try:
        described = await driver.describe_time_to_live(TableName=table)
        if described["TimeToLiveDescription"].get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
            return False
        await driver.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES}
        )
    except ClientError as error:
        raise translated(error, table) from error
    return True


def _missing(error: Exception, table: str) -> Exception:
    if isinstance(error, ClientError) and error.response["Error"].get("Code") == "ResourceNotFoundException":
        return TableMissing(str(missing_table(table)))
    return translated(error, table)
