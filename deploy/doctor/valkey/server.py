"""A connection to a server, which only reads; and what its INFO says."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ANSWER_S = 2
Info = Mapping[str, Any]


@asynccontextmanager
async def server(url: str) -> AsyncIterator["Redis"]:
    """A client of one connection. Raises ValueError for what is no URL, and RedisError or OSError once it is asked."""
    client = Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        single_connection_client=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        yield client
    finally:
        await client.aclose()


def count(info: Info, name: str) -> int:
    """A figure of INFO; 0 where this server has no such one."""
    return int(info.get(name) or 0)


def keys_of(info: Info) -> tuple[int, int]:
    """How many keys there are, and how many of them expire."""
    databases = [value for name, value in info.items() if name.startswith("db") and isinstance(value, dict)]
    return sum(each["keys"] for each in databases), sum(each["expires"] for each in databases)
