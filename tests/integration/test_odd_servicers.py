"""Whatever a servicer does, its caller gets a status, and soon."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import StatusCode, aio

from tests.support.echo import Echo, echo_host, unary_stream, unary_unary
from tests.support.errors import failure

# HTTP/2 has no such name and no such value.
UNSENDABLE = {
    "a name with a space": (("bad name", "x"),),
    "a value of two lines": (("x-value", "one\ntwo"),),
}
PATIENCE_S = 5.0


class Odd(Echo):
    """Does as the request says."""

    async def unary(self, request: bytes, context: Any) -> bytes:
        """Ends in one of the ways below."""
        way, _, what = request.decode().partition(": ")
        if way == "abort":
            await context.abort(StatusCode.NOT_FOUND, "not here", UNSENDABLE[what])
        elif way == "trailing":
            context.set_trailing_metadata(UNSENDABLE[what])
        elif way == "initial":
            await context.send_initial_metadata(UNSENDABLE[what])
        elif way == "text":
            await context.abort(StatusCode.NOT_FOUND, "half a surrogate pair \ud800")
        elif way == "callback":
            context.add_done_callback(lambda _: 1 / 0)
            context.add_done_callback(lambda _: self.heard.set())
        elif way == "number, set":
            context.set_code(StatusCode.NOT_FOUND.value[0])
        elif way == "number, aborted":
            await context.abort(StatusCode.NOT_FOUND.value[0], "not here")
        return b"done"

    async def split(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        """Ends after its first message."""
        yield b"first"
        if request:
            await context.abort(StatusCode.NOT_FOUND, "no more", UNSENDABLE[request.decode()])

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()


@pytest.fixture
async def odd() -> Odd:
    return Odd()


@pytest.fixture
async def channel(odd: Odd) -> AsyncIterator[aio.Channel]:
    async with echo_host("httpunk", servicer=odd) as echo, aio.insecure_channel(echo.address) as opened:
        yield opened


@pytest.mark.parametrize("what", UNSENDABLE)
@pytest.mark.parametrize("way", ["abort", "trailing", "initial"])
async def test_metadata_that_cannot_be_sent_is_a_bug_and_no_endless_wait(
    channel: aio.Channel, caplog: pytest.LogCaptureFixture, way: str, what: str
) -> None:
    failed = await failure(unary_unary(channel, "Unary")(f"{way}: {what}".encode(), timeout=PATIENCE_S))
    assert failed.code is StatusCode.INTERNAL
    assert [record.levelno for record in caplog.records if record.name.startswith("savepoint.")] == [logging.ERROR]


async def test_a_text_that_cannot_be_sent_is_a_bug_too(channel: aio.Channel) -> None:
    assert (await failure(unary_unary(channel, "Unary")(b"text", timeout=PATIENCE_S))).code is StatusCode.INTERNAL


@pytest.mark.parametrize("what", UNSENDABLE)
async def test_so_it_is_in_the_middle_of_a_stream(channel: aio.Channel, what: str) -> None:
    call = unary_stream(channel, "Split")(what.encode(), timeout=PATIENCE_S)
    assert await call.read() == b"first"
    with pytest.raises(aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is StatusCode.INTERNAL


@pytest.mark.parametrize("way", ["number, set", "number, aborted"])
async def test_a_code_may_be_its_number(channel: aio.Channel, way: str) -> None:
    with pytest.raises(aio.AioRpcError) as raised:
        await unary_unary(channel, "Unary")(way.encode(), timeout=PATIENCE_S)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_callback_that_fails_is_logged_and_keeps_no_other_from_being_called(
    channel: aio.Channel, odd: Odd, caplog: pytest.LogCaptureFixture
) -> None:
    assert await unary_unary(channel, "Unary")(b"callback", timeout=PATIENCE_S) == b"done"
    async with asyncio.timeout(PATIENCE_S):
        await odd.heard.wait()
    assert "ZeroDivisionError" in caplog.text
