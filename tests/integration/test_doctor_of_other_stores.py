"""The doctor looks at MongoDB and DynamoDB."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiobotocore.session import get_session

from deploy.doctor.finding import Severity
from deploy.doctor.targets import (
    MongoServer,
    dynamo_table,
)
from deploy.local import ports
from deploy.local.layout import Layout
from deploy.local.servers.dynamodb import Moto
from tests.support.doctor import found, looked, problems, until
from tests.support.parts import alone
from tests.support.service import migrate


async def test_a_mongodb(tmp_path: Path) -> None:
    [port] = ports.free(1)
    url = f"mongodb://127.0.0.1:{port}/savepoint_gamelog"
    [finding] = problems(await looked(MongoServer("gamelog", url)))
    assert finding.check == "connection"
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)),
        *("--storage-path", str(tmp_path), "--log-level", "WARNING"),
    )
    try:

        async def up() -> bool:
            return not problems(await looked(MongoServer("gamelog", url)))

        await until(up, 40)
        report = await looked(MongoServer("gamelog", url))
        assert len(found(report, "version", Severity.OK)) == 1
        assert "savepoint_gamelog" in found(report, "sizes", Severity.OK)[0].what
    finally:
        server.terminate()
        await server.wait()


async def test_a_table_in_dynamodb(tmp_path: Path) -> None:
    [port] = ports.free(1)

    class Server(Moto):
        """A stand-in that any machine has: what a table is said to be is alike."""

        def __init__(self, layout: Layout) -> None:
            super().__init__(layout, port, "")

    async with alone(Server, tmp_path) as (part, _):
        table = dynamo_table("leaderboard", part.settings)
        [missing] = problems(await looked(table))
        assert "services.leaderboard migrate" in missing.do
        await migrate("leaderboard", part.settings)
        report = await looked(table)
        assert problems(report) == []
        assert "ACTIVE" in found(report, "table", Severity.OK)[0].what
        assert found(report, "expiry", Severity.OK)
        # Anybody may make a table by hand, and forget what the service's own way does.
        async with create_client(part.settings) as client:
            keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("p", "HASH"), ("s", "RANGE"))]
            await client.create_table(
                TableName="by-hand",
                KeySchema=keys,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "s")],
                ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            )
        report = await looked(replace(table, table="by-hand"))
        assert "time to live is off" in found(report, "expiry")[0].what
        assert "5 writes a second" in found(report, "capacity", Severity.NOTICE)[0].what
    [dead] = problems(await looked(table))
    assert dead.check == "connection"


def create_client(settings: Mapping[str, str]) -> Any:
    return get_session().create_client(
        "dynamodb",
        region_name=settings["AWS_REGION"],
        endpoint_url=settings["DYNAMODB_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
