"""The script calls' one connection, against what goes wrong in the field."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis

from deploy.local.stores import Stores
from shared.contract.errors import DeadlineReached, StoreUnavailable
from shared.stores import valkey
from shared.stores.valkey import Script, Valkey
from shared.stores.valkey.one import OneServer
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.work import deadline

CALLERS = 50
CLIENT_NAME = "under-test"
ANSWER_TIMEOUT_S = 0.3

ECHO = Script("echo", "return ARGV[1]", "none", writes=False)
BROKEN = Script("broken", "if ARGV[1] == '1' then error('on purpose') end return ARGV[1]", "none", writes=False)


@pytest.fixture
async def server(stores: Stores, store_telemetry: StoreTelemetry) -> AsyncIterator[Valkey]:
    """A Valkey of the test's own, its connection known to the server by name."""
    url = f"{stores.cache_url}&client_name={CLIENT_NAME}"
    async with valkey.connect(url, store_telemetry, answer_timeout_s=ANSWER_TIMEOUT_S, start_timeout_s=5) as connected:
        yield connected


@pytest.fixture
async def admin(stores: Stores) -> AsyncIterator[Redis]:
    async with Redis.from_url(stores.cache_url, protocol=3) as client:
        yield client


async def echo(server: Valkey, words: Sequence[str]) -> None:
    """Fails unless each answer is the one to its own call."""
    answers = await server.run_each(ECHO, [((), (word,)) for word in words])
    assert answers == [word.encode() for word in words]


async def echo_often(server: Valkey, caller: int, times: int) -> None:
    for turn in range(times):
        await echo(server, [f"{caller}-{turn}-{part}" for part in range(3)])


async def connection_ids(admin: Redis) -> list[str]:
    return [client["id"] for client in await admin.client_list() if client["name"] == CLIENT_NAME]


async def test_cancelled_callers_neither_get_nor_leave_another_ones_answer(server: Valkey, admin: Redis) -> None:
    before = await connection_ids(admin)
    staying = [asyncio.create_task(echo_often(server, caller, 40)) for caller in range(CALLERS)]
    cancelled = 0
    for wave in range(40):
        leaving = [asyncio.create_task(echo(server, [f"leaving-{wave}-{caller}"])) for caller in range(CALLERS)]
        # A different step of their way each time: not sent yet, on the way, answered.
        for _ in range(wave % 8):
            await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        results = await asyncio.gather(*leaving, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        cancelled += sum(result is not None for result in results)
    await asyncio.gather(*staying)
    assert cancelled > CALLERS
    assert await connection_ids(admin) == before, "giving up costs no connection"


async def test_a_connection_killed_under_load_loses_no_call(server: Valkey, admin: Redis) -> None:
    before = await connection_ids(admin)
    load = [asyncio.create_task(echo_often(server, caller, 400)) for caller in range(CALLERS)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in load), "there is no load any more"
    await admin.client_kill_filter(_id=before[0])
    await asyncio.gather(*load)
    assert await connection_ids(admin) != before


async def test_a_connection_killed_while_idle_costs_no_retry(
    server: Valkey, admin: Redis, store_telemetry: StoreTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[str] = []
    monkeypatch.setattr(store_telemetry, "error", errors.append)
    for _ in range(5):
        await echo(server, ["idle"])
        [connection_id] = await connection_ids(admin)
        await admin.client_kill_filter(_id=connection_id)
        await asyncio.sleep(0.05)
    await echo(server, ["back"])
    assert not errors


async def test_a_server_that_hangs_fails_calls_within_their_bounds_and_is_used_again_when_it_answers(
    server: Valkey, admin: Redis
) -> None:
    async def within(seconds: float, error: type[Exception]) -> float:
        deadline.start(seconds)
        begun = time.perf_counter()
        with pytest.raises(error):
            # A call is cancelled at its deadline.
            async with asyncio.timeout(seconds):
                await echo(server, ["never"])
        return time.perf_counter() - begun

    await admin.client_pause(2500)
    hurried, patient, pinged = await asyncio.gather(
        asyncio.create_task(within(0.1, TimeoutError)),
        asyncio.create_task(within(20, StoreUnavailable)),
        asyncio.create_task(server.ping()),
        return_exceptions=True,
    )
    assert isinstance(hurried, float), hurried
    assert hurried < 0.5
    # Three attempts, each behind at most one hanging pipeline of others, and two waits of at most 0.3 s in all.
    assert isinstance(patient, float), patient
    assert ANSWER_TIMEOUT_S < patient < 2.4
    assert isinstance(pinged, StoreUnavailable)
    await asyncio.sleep(2.5 - patient)
    await echo_often(server, 0, 3)


async def test_a_call_without_time_left_ends_at_once(server: Valkey) -> None:
    deadline.start(0)
    with pytest.raises(DeadlineReached):
        await server.run(ECHO, (), ["late"])


async def test_scripts_that_the_server_has_lost_are_loaded_unnoticed(server: Valkey, admin: Redis) -> None:
    load = [asyncio.create_task(echo_often(server, caller, 60)) for caller in range(CALLERS)]
    flushed = 0
    while not all(task.done() for task in load):
        await admin.script_flush()
        flushed += 1
        await asyncio.sleep(0.01)
    await asyncio.gather(*load)
    assert flushed > 1


async def test_a_script_that_fails_fails_its_caller_alone(server: Valkey) -> None:
    broken = [asyncio.create_task(server.run(BROKEN, (), [number % 2])) for number in range(CALLERS)]
    await asyncio.gather(*(echo_often(server, caller, 3) for caller in range(CALLERS)))
    results = await asyncio.gather(*broken, return_exceptions=True)
    assert results[::2] == [b"0"] * (CALLERS // 2)
    assert all(isinstance(result, RuntimeError) and "on purpose" in str(result) for result in results[1::2])


async def test_a_value_that_cannot_be_sent_fails_its_caller_alone(server: Valkey) -> None:
    wrong = asyncio.create_task(server.run(ECHO, (), [None]))  # type: ignore[list-item] # that is the point
    await echo(server, ["right"])
    with pytest.raises(TypeError):
        await wrong


async def test_a_connection_whose_task_dies_is_begun_anew_and_counted(
    server: Valkey, admin: Redis, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(BaseException):
        """What nobody expects."""

    async def fail(pipeline: object) -> None:
        monkeypatch.undo()
        raise Odd

    def failures() -> float:
        return metrics._registry.get_sample_value("background_failures_total", {"job": "valkey-connection"}) or 0

    before = failures()
    await server.ping()
    [connection_id] = await connection_ids(admin)
    assert isinstance(server, OneServer)
    monkeypatch.setattr(server.link, "_use", fail)
    await admin.client_kill_filter(_id=connection_id)
    await asyncio.sleep(0.05)
    # Whose call waited for it is served by the next, and so is who comes meanwhile.
    async with asyncio.timeout(5):
        await asyncio.gather(*(echo(server, [f"{caller}"]) for caller in range(5)))
    assert failures() == before + 1
