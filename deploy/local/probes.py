"""Asking a part whether it does its work. Each question is answered within a second or so; a dead part answers no."""

import asyncio
import re
import struct
import urllib.request
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

_ASK_S = 1.0
_MONGODB_HEAD, _OP_MSG = 21, 2013
_HEALTHY = re.compile(r'^envoy_cluster_membership_healthy\{envoy_cluster_name="(\w+)"\} (\d+)$', re.MULTILINE)


async def redis_answers(socket: Path) -> bool:
    """Whether PING at this Unix socket is answered by PONG (a store that still loads its data says LOADING)."""
    return await _answer(asyncio.open_unix_connection(socket), b"PING\r\n") == b"+PONG\r\n"


async def redis_answers_at(port: int, password: str) -> bool:
    """Likewise at this loopback port, for a store or a sentinel that asks for a password."""
    ask = f"AUTH {password}\r\nPING\r\n".encode()
    return await _answer(asyncio.open_connection("127.0.0.1", port), ask, line=2) == b"+PONG\r\n"


async def mongodb_answers(host: str, port: int) -> bool:
    """Whether the MongoDB at this address says that it takes writes."""
    # Imported late, so that only a stack with MongoDB loads it.
    import bson.errors

    # A message of MongoDB's protocol: length, id, id of the question, OP_MSG; no flags, one section with a document.
    asked = bson.encode({"hello": 1, "$db": "admin"})
    head = struct.pack("<iiiiIB", _MONGODB_HEAD + len(asked), 1, 0, _OP_MSG, 0, 0)
    try:
        async with asyncio.timeout(_ASK_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(head + asked)
                length = int.from_bytes(await reader.readexactly(4), "little")
                answer = (await reader.readexactly(length - 4))[_MONGODB_HEAD - 4 :]
            finally:
                writer.close()
        return bool(bson.decode(answer).get("isWritablePrimary"))
    except (OSError, TimeoutError, EOFError, bson.errors.InvalidBSON):
        return False


async def http_ok(port: int, path: str) -> bool:
    """Whether GET at this loopback port answers 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    return b" 200 " in await _answer(asyncio.open_connection("127.0.0.1", port), request)


async def http_answers(port: int) -> bool:
    """Whether GET at this loopback port is answered, whatever by."""
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    return (await _answer(asyncio.open_connection("127.0.0.1", port), request)).startswith(b"HTTP/")


async def http_body(port: int, path: str) -> str:
    """What GET at this loopback port answers. Raises OSError where it does not."""

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5 * _ASK_S) as page:
            return str(page.read(), "utf-8")

    return await asyncio.to_thread(read)


async def healthy_replicas(metrics_port: int) -> dict[str, int]:
    """How many replicas of each service the gateway with this metrics port sends calls to. Raises OSError."""
    return {name: int(count) for name, count in _HEALTHY.findall(await http_body(metrics_port, "/metrics"))}


async def grpc_serving(target: str, service: str = "") -> bool:
    """Whether grpc.health.v1 at this target says SERVING."""
    # Imported late, so that `down` and the tests of stores do without.
    import grpc.aio
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=_ASK_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def program_succeeds(*argv: str | Path) -> bool:
    """Whether a program ends with exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env={"LANG": "C.UTF-8"}
    )
    try:
        return await asyncio.wait_for(process.wait(), 2 * _ASK_S) == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False


async def _answer(
    connecting: Coroutine[Any, Any, tuple[StreamReader, StreamWriter]], ask: bytes, line: int = 1
) -> bytes:
    """This line of what comes back, or nothing."""
    try:
        async with asyncio.timeout(_ASK_S):
            reader, writer = await connecting
            try:
                writer.write(ask)
                for _ in range(line - 1):
                    await reader.readline()
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
