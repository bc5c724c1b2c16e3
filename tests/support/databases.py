"""Databases of a test's own on the tests' PostgreSQL."""

import uuid

import psycopg

from deploy.local.stores import Stores


async def create(stores: Stores, name: str, sql: str = "") -> str:
    """Makes a database whose name begins so, runs `sql` in it, and returns its DATABASE_URL."""
    name = f"{name}_{uuid.uuid4().hex[:8]}"
    async with await psycopg.AsyncConnection.connect(stores.postgres_url("profile"), autocommit=True) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
    url = stores.postgres_url(name)
    if sql:
        await run(url, sql)
    return url


async def run(url: str, sql: str) -> None:
    """Runs statements whose rows nobody reads."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(sql.encode())


async def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await (await connection.execute(sql.encode())).fetchall()
