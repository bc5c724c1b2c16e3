"""What a service says of its health, for every answer that a store can give."""

import asyncio

import pytest
from grpc_health.v1 import health_pb2

from shared.rpc import health
from shared.rpc.health import Health

SERVICE = "savepoint.tests.v1.TestService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Store:
    """Answers a ping, or does whatever else it is told to."""

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self.hangs = False

    async def ping(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure:
            raise self.failure


async def told(of: Health) -> set[int]:
    """What is said of the process and of its service."""
    answers = [
        await of.servicer.Check(health_pb2.HealthCheckRequest(service=name), None)  # type: ignore[arg-type] # its types know no aio
        for name in ("", SERVICE)
    ]
    return {answer.status for answer in answers}


async def test_it_serves_while_every_store_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PING_WAIT_S", 0.05)
    good, bad = Store(), Store()
    made = Health([SERVICE], {"good": good.ping, "bad": bad.ping})
    await made.check()
    assert await told(made) == {SERVING}
    for failure, hangs in ((RuntimeError("anything"), False), (None, True)):
        bad.failure, bad.hangs = failure, hangs
        async with asyncio.timeout(5):
            await made.check()
        assert await told(made) == {NOT_SERVING}
        bad.failure, bad.hangs = None, False
        await made.check()
        assert await told(made) == {SERVING}


async def test_after_its_stop_it_does_not_serve_whatever_the_stores_say() -> None:
    store = Store()
    made = Health([SERVICE], {"store": store.ping})
    await made.check()
    await made.stop()
    assert await told(made) == {NOT_SERVING}
    for failure in (RuntimeError("anything"), None):
        store.failure = failure
        await made.check()
    assert await told(made) == {NOT_SERVING}
