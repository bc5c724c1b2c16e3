"""A connection that is made anew when it is gone, and the calls that wait for it meanwhile."""

import asyncio
from collections import deque
from collections.abc import Callable

from bench.generator import outcome
from bench.generator.connection import Call, Connection

_CONNECT_WITHIN_S = 5.0
_PAUSE_S = 0.05

Start = Callable[[Connection], None]


class Line:
    """Where some of the callers send their calls."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._connection: Connection | None = None
        self._waiting: deque[tuple[Call, Start]] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Makes the first connection. Raises OSError or TimeoutError when it cannot be made."""
        self._connection = await self._connect()

    def use(self, call: Call, start: Start) -> None:
        """Starts the call on the connection there is, or on the next one. If none can be made, the call is broken."""
        connection = self._connection
        if connection is not None and connection.usable:
            start(connection)
            return
        self._waiting.append((call, start))
        if self._connecting is None and not self._closed:
            self._connecting = asyncio.create_task(self._reconnect())

    def forget(self, call: Call) -> None:
        """The call no longer waits for a connection."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] is not call)

    async def close(self) -> None:
        """Ends the connection and the attempts to make another one."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()

    async def _reconnect(self) -> None:
        try:
            while self._waiting:
                try:
                    self._connection = connection = await self._connect()
                except (OSError, TimeoutError):
                    # As a gRPC client does while a server is away. The pause keeps callers from asking in a tight loop.
                    await asyncio.sleep(_PAUSE_S)
                    self._break_waiting()
                    continue
                waiting, self._waiting = self._waiting, deque()
                for _, start in waiting:
                    start(connection)
        finally:
            self._connecting = None

    def _break_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for call, _ in waiting:
            call.broken(outcome.CANNOT_CONNECT)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            connection = Connection(self._target if not self._target.startswith("unix:") else "localhost")
            if self._target.startswith("unix:"):
                await loop.create_unix_connection(lambda: connection, self._target.removeprefix("unix:"))
            else:
                host, _, port = self._target.rpartition(":")
                await loop.create_connection(lambda: connection, host, int(port))
            await connection.ready
        return connection
