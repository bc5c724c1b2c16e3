"""DynamoDB Local for tests, and the table in it as a service opens it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import embedded, ports
from deploy.local.servers.dynamodb import DynamoDbLocal
from shared.stores import dynamodb
from shared.stores.dynamodb import Access, DynamoDb
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces


@asynccontextmanager
async def local(directory: Path, port: int = 0) -> AsyncIterator[DynamoDbLocal]:
    """DynamoDB Local with its data below a directory."""
    port = port or ports.free(1)[0]
    async with embedded.alone(directory, lambda layout: DynamoDbLocal(layout, port)) as started:
        yield started


@asynccontextmanager
async def table_of(server: DynamoDbLocal) -> AsyncIterator[DynamoDb]:
    """The table itself."""
    os.environ.update({name: value for name, value in server.settings.items() if name.startswith("AWS_ACCESS")})
    os.environ.update({name: value for name, value in server.settings.items() if name.startswith("AWS_SECRET")})
    settings = server.settings
    access = Access(settings["DYNAMODB_TABLE"], settings["AWS_REGION"], settings["DYNAMODB_ENDPOINT_URL"])
    telemetry = StoreTelemetry(dynamodb.STORE, Metrics(), Traces("test", ""), 500)
    async with dynamodb.connect(access, telemetry, answer_timeout_s=10, start_timeout_s=10) as opened:
        yield opened
