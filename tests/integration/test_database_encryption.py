"""A database elsewhere is not talked to without encryption, unless somebody asked for that."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.stores import Stores
from shared.stores.errors import MigrationError
from shared.stores.postgres.migrations import migrate
from tests.support.service import ROOT, Service, running, starts_with

ASK_FOR_IT = re.escape("?sslmode=disable")


@pytest.fixture
async def elsewhere(stores: Stores) -> AsyncIterator[str]:
    """DATABASE_URL of the profile database at an address that is not a loopback one, though it leads here; the server
    takes no encrypted connections."""
    socket = next(stores.postgres.sockets.glob(".s.PGSQL.*[0-9]"))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(socket))
        await asyncio.gather(carry(reader, back), carry(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://savepoint@0.0.0.0:{port}/profile"
    server.close()


@pytest.mark.parametrize("asked", ["", "?sslmode=require", "?sslmode=prefer"])
async def test_a_server_without_encryption_is_refused_at_once(
    profile_environment: dict[str, str], elsewhere: str, tmp_path: Path, asked: str
) -> None:
    environment = Service("profile", profile_environment, tmp_path / "log").environment
    environment = {**environment, "DATABASE_URL": f"{elsewhere}{asked}", "STORE_START_TIMEOUT_S": "60"}
    code, message = await starts_with(environment, "serve")
    assert code == 1
    [line] = message.splitlines()
    assert re.search(ASK_FOR_IT, line)


async def test_migrations_are_refused_likewise(elsewhere: str) -> None:
    with pytest.raises(MigrationError, match=ASK_FOR_IT):
        await migrate(elsewhere, ROOT / "services" / "profile", 60)


async def test_it_is_used_where_that_was_asked_for(
    profile_environment: dict[str, str], elsewhere: str, tmp_path: Path
) -> None:
    url = f"{elsewhere}?sslmode=disable"
    await migrate(url, ROOT / "services" / "profile", 5)
    async with running("profile", {**profile_environment, "DATABASE_URL": url}, tmp_path) as service:
        assert await service.serving()
