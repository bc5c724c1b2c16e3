"""A backend that ends calls in a way of its own, as a broken one does; what it says of its health stays the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from grpc_health.v1 import health_pb2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, RequestReceived, StreamEnded

HEALTH = "/grpc.health.v1.Health/Check"
_READ = 65536

# Ends the call on a stream, whose request has come whole; True to close the connection after it.
End = Callable[[H2Connection, int], bool]


class Backend:
    """Counts the calls that reached it whole, by their paths, checks of its health as well; `headers` are those of the
    last call with a path."""

    def __init__(self, end: End, *, serving: bool = True) -> None:
        self.seen: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        self._end = end
        self._serving = serving

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speaks with one connection until it ends."""
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        paths: dict[int, Any] = {}
        writer.write(connection.data_to_send())
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(_READ):
                closing = False
                for event in connection.receive_data(data):
                    closing = self._take(connection, event, paths) or closing
                writer.write(connection.data_to_send())
                await writer.drain()
                if closing:
                    break
        writer.close()

    def _take(self, connection: H2Connection, event: Event, paths: dict[int, Any]) -> bool:
        if isinstance(event, RequestReceived):
            headers: dict[Any, Any] = dict(event.headers or ())
            paths[event.stream_id] = headers[":path"]
            self.headers[headers[":path"]] = headers
        if not isinstance(event, StreamEnded):
            return False
        path = paths.pop(event.stream_id)
        self.seen[path] += 1
        if path == HEALTH:
            _tell_health(connection, event.stream_id, serving=self._serving)
            return False
        return self._end(connection, event.stream_id)


def answers(connection: H2Connection, stream_id: int) -> bool:
    """Ends a call with OK and an empty message."""
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream_id, bytes(5))
    connection.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)
    return False


def _tell_health(connection: H2Connection, stream_id: int, *, serving: bool) -> None:
    state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
    answer = health_pb2.HealthCheckResponse(status=state).SerializeToString()
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream_id, b"\0" + len(answer).to_bytes(4, "big") + answer)
    connection.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)


@asynccontextmanager
async def backend(
    end: End, *, serving: bool = True, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[tuple[Backend, int]]:
    """A backend and its port on loopback."""
    made = Backend(end, serving=serving)
    server = await asyncio.start_server(made.serve, host, port)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()
