"""Shared statements whose connection breaks, and requests in them whose time is over."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from tests.support.batched import EACH, SUBJECTS, UNDER_REQUEST_IDS, Batched, Ended, ended, held
from tests.support.service import Service

LATE = 30
# What a caller may be told while backends die, of inventory's sibling too.
UNAVAILABLE = {"STORE_UNAVAILABLE", "SERVICE_UNAVAILABLE"}
# How many backends die, one every few milliseconds.
DEATHS = 6
# Of those that run a statement, one.
KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'savepoint' AND datname = current_database() AND state = 'active'
    ORDER BY random() LIMIT 1"""


async def rpc_of(kind: type[Batched], profile: Service, inventory: Service) -> Batched:
    made = kind(profile.environment["DATABASE_URL"], inventory.environment["DATABASE_URL"])
    await made.seed()
    return made


def asked(rpc: Batched, profile: Service, inventory: Service) -> Callable[..., Awaitable[Any]]:
    return rpc.call((profile if rpc.service == "profile" else inventory).channel)


@pytest.mark.parametrize("kind", EACH, ids=lambda each: each.__name__)
async def test_one_whose_time_is_over_does_nothing_and_the_others_are_right(
    kind: type[Batched], profile: Service, inventory: Service
) -> None:
    rpc = await rpc_of(kind, profile, inventory)
    call = asked(rpc, profile, inventory)
    requests = [rpc.request(number) for number in range(SUBJECTS)]
    async with held(rpc.url, rpc.lock(LATE)):
        ends = await asyncio.gather(
            *(ended(call(request, timeout=0.3 if number == LATE else 20)) for number, request in enumerate(requests))
        )
        # What nobody waits for any more is ended on the server, a moment later.
        await asyncio.sleep(0.3)
    assert ends[LATE].how == "DEADLINE_EXCEEDED"
    assert Counter(end.how for end in ends) == {"OK": SUBJECTS - 1, "DEADLINE_EXCEEDED": 1}
    assert await rpc.state() == [rpc.after(number, int(number != LATE)) for number in range(SUBJECTS)]
    if rpc.once:
        again = await ended(call(requests[LATE]))
        assert rpc.answered(LATE, again.answer) == rpc.shown(LATE)


@pytest.mark.parametrize("kind", UNDER_REQUEST_IDS, ids=lambda each: each.__name__)
async def test_what_a_broken_connection_leaves_open_is_done_once(
    kind: type[Batched], profile: Service, inventory: Service
) -> None:
    rpc = await rpc_of(kind, profile, inventory)
    call = asked(rpc, profile, inventory)
    requests = [rpc.request(number) for number in range(SUBJECTS)]

    async def until_done(request: Any) -> Ended:
        while (end := await ended(call(request, timeout=20))).how in UNAVAILABLE:
            await asyncio.sleep(0.05)
        return end

    async with killing(rpc.url):
        ends = await asyncio.gather(*map(until_done, requests))
    assert Counter(end.how for end in ends) == {"OK": SUBJECTS}
    for number, end in enumerate(ends):
        assert rpc.answered(number, end.answer) == rpc.shown(number)
    assert await asyncio.gather(*map(until_done, requests)) == ends
    assert await rpc.state() == [rpc.after(number, 1) for number in range(SUBJECTS)]


@contextlib.asynccontextmanager
async def killing(url: str) -> AsyncIterator[None]:
    """Ends backends that are at work for a service, one after the other."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def kill() -> None:
            deaths = 0
            while deaths < DEATHS:
                deaths += (await connection.execute(KILL.encode())).rowcount
                await asyncio.sleep(0.002)

        task = asyncio.create_task(kill())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
