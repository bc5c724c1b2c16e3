"""Examines tables in DynamoDB. What is throttled shows in the service's own metrics, and in CloudWatch."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from deploy.doctor.finding import Examined, Finding, notice, ok, problem
from deploy.doctor.targets import DynamoTable
from deploy.doctor.text import duration, names, size

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.client import DynamoDBClient

_ANSWER_S = 3
_WITHIN_S = 15
_SERVES = ("ACTIVE", "UPDATING")
_MAKES_IT = "python -m services.leaderboard migrate"


async def examine(tables: Sequence[DynamoTable]) -> list[Examined]:
    """What is found about each of them."""
    return list(await asyncio.gather(*map(_examine, tables)))


async def _examine(target: DynamoTable) -> Examined:
    address = f"{target.endpoint_url or target.region or 'the AWS configuration'}, table {target.table}"
    try:
        async with asyncio.timeout(_WITHIN_S):
            findings = await _look(target)
    except (BotoCoreError, ClientError, OSError, TimeoutError, ValueError) as error:
        why = "the leaderboard service is NOT_SERVING, and its calls end in UNAVAILABLE"
        do = "see whether the endpoint answers; check the region, the credentials and what they may do"
        findings = [problem("connection", str(error) or f"no answer within {_WITHIN_S} s", why, do)]
    return Examined(f"DynamoDB {target.name}", address, tuple(findings))


async def _look(target: DynamoTable) -> list[Finding]:
    config = AioConfig(
        connect_timeout=_ANSWER_S,
        read_timeout=_ANSWER_S,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    made = get_session().create_client(
        "dynamodb",
        # An endpoint that is not Amazon's needs some region all the same, for signatures.
        region_name=target.region or ("us-east-1" if target.endpoint_url else None),
        endpoint_url=target.endpoint_url or None,
        aws_access_key_id=target.access_key or None,
        aws_secret_access_key=target.secret_key or None,
        config=config,
    )
    async with made as client:
        began = time.perf_counter()
        try:
            table: Any = (await client.describe_table(TableName=target.table))["Table"]
        except client.exceptions.ResourceNotFoundException:
            why = "the leaderboard service does not start without it"
            return [problem("table", f"there is no table {target.table}", why, f"make it: {_MAKES_IT}")]
        took_ms = 1000 * (time.perf_counter() - began)
        return [*_state(table, took_ms), *await _expiry(client, target.table)]


def _state(table: Any, took_ms: float) -> list[Finding]:
    status, indexes = table["TableStatus"], table.get("GlobalSecondaryIndexes") or []
    what = f"{status}; {table['ItemCount']:,} items, {size(table['TableSizeBytes'])} (counted every few hours); "
    what += f"the first answer took {duration(took_ms / 1000)}"
    figures = {"items": table["ItemCount"], "bytes": table["TableSizeBytes"], "ping_ms": round(took_ms, 1)}
    if status not in _SERVES:
        do = "wait while it is CREATING; otherwise see in AWS who deletes it, or whether its key was taken away"
        return [problem("table", what, "no board can be read or written", do, **figures)]
    found = [ok("table", what, **figures)]
    if late := [each for each in indexes if each["IndexStatus"] not in _SERVES]:
        what = names(f"{each['IndexName']} is {each['IndexStatus']}" for each in late)
        found.append(problem("indexes", what, "what reads by it cannot", "wait, or make it anew"))
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode")
    if mode == "PAY_PER_REQUEST":
        return [*found, ok("capacity", "on demand")]
    units = table["ProvisionedThroughput"]
    what = f"{units['ReadCapacityUnits']} reads and {units['WriteCapacityUnits']} writes a second are provisioned"
    why = "what comes beyond them is refused, and calls end as OVERLOADED"
    return [*found, notice("capacity", what, why, "switch the table to on demand, or on autoscaling")]


async def _expiry(client: "DynamoDBClient", table: str) -> list[Finding]:
    try:
        described = (await client.describe_time_to_live(TableName=table))["TimeToLiveDescription"]
    except ClientError as error:
        do = "allow dynamodb:DescribeTimeToLive, or look at it by hand"
        return [notice("expiry", f"may not be looked at: {error}", "it may hide an illness", do)]
    status = described.get("TimeToLiveStatus")
    if status in ("ENABLED", "ENABLING"):
        return [ok("expiry", f"items go when they expire, by their attribute {described.get('AttributeName')}")]
    why = "records of requests stay for ever: the table grows, and so does its bill"
    return [problem("expiry", "time to live is off", why, f"switch it on: {_MAKES_IT}")]
