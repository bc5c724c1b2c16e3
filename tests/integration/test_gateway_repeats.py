"""What the gateway sends again: never a call that a backend may have begun."""

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc import aio
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from savepoint.profile.v1 import wallet_pb2
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from deploy.local.alone_gateway import gateway
from tests.support.backend import End, backend

PATH = "/savepoint.profile.v1.WalletService/AdjustCoins"


def resets(connection: H2Connection, stream_id: int) -> bool:
    connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
    return False


def resets_after_the_head(connection: H2Connection, stream_id: int) -> bool:
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    return resets(connection, stream_id)


def hangs_up(connection: H2Connection, stream_id: int) -> bool:
    return True


def fails(connection: H2Connection, stream_id: int) -> bool:
    connection.send_headers(stream_id, [(":status", "503")], end_stream=True)
    return False


def refuses(connection: H2Connection, stream_id: int) -> bool:
    connection.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
    return False


async def called(end: End, directory: Path) -> tuple[grpc.StatusCode, int]:
    """How a call through the gateway ended, and how often the backend saw it."""
    async with backend(end) as (made, port):
        backends = {name: [("127.0.0.1", port)] for name in ("profile", "inventory", "leaderboard", "gamelog")}
        async with gateway(directory, backends) as before, aio.insecure_channel(before.address) as channel:
            call = WalletServiceStub(channel).AdjustCoins
            request = wallet_pb2.AdjustCoinsRequest(request_id="once", delta=1)
            async with asyncio.timeout(10):
                while True:
                    try:
                        await call(request, timeout=5)
                        return grpc.StatusCode.OK, made.seen[PATH]
                    except aio.AioRpcError as error:
                        if made.seen[PATH]:
                            return error.code(), made.seen[PATH]
                    # The gateway has not yet found the backend healthy.
                    await asyncio.sleep(0.1)


@pytest.mark.parametrize("end", [resets, resets_after_the_head, hangs_up, fails])
async def test_a_call_that_a_backend_may_have_begun_reaches_it_once(end: End, tmp_path: Path) -> None:
    code, seen = await called(end, tmp_path)
    assert code is not grpc.StatusCode.OK
    assert seen == 1


async def test_a_call_that_a_backend_has_refused_to_begin_is_sent_again(tmp_path: Path) -> None:
    code, seen = await called(refuses, tmp_path)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert seen == 3
