"""How many calls may be in flight, and what happens to those beyond that number.

A call that finds no room waits in line for a moment, because most calls end within milliseconds. If no room has come
free by then, it is refused as OVERLOADED. The wait is short, so that a caller who has to go elsewhere knows soon. But
there is one: callers who repeat a refused call at once would otherwise cost the service more than the calls that it
serves.
"""

import asyncio
from collections import deque

from shared.contract.errors import Overloaded
from shared.rpc.policies.call import Call, Method, Policy, Step

LONGEST_WAIT_S = 0.03


class Admission(Policy):
    """Lets `most` calls in at once, of all methods of ours together."""

    def __init__(self, most: int) -> None:
        self._room = most
        # The waiting calls, in the order of arrival, each with the time at which it is refused. All wait equally long,
        # so the first in line is also the first to be refused.
        self._line: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, once there is room. Raises Overloaded."""
        if not method.own:
            return proceed

        async def admitted(call: Call) -> bytes | None:
            if self._room > 0:
                self._room -= 1
            else:
                await self._stand_in_line()
            try:
                return await proceed(call)
            finally:
                self._leave()

        return admitted

    async def _stand_in_line(self) -> None:
        """Returns when a call that ends has handed over its room. Raises Overloaded."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        until = loop.time() + LONGEST_WAIT_S
        self._line.append((until, turn))
        if self._timer is None:
            self._timer = loop.call_at(until, self._send_away)
        try:
            admitted = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                # The caller gave up just after it was given the room: pass it on.
                self._leave()
            raise
        if not admitted:
            raise Overloaded("too many calls are in flight; try again in a moment")

    def _leave(self) -> None:
        while self._line:
            _, turn = self._line.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._room += 1

    def _send_away(self) -> None:
        """Refuses those who have waited long enough."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._line and self._line[0][0] <= now:
            _, turn = self._line.popleft()
            if not turn.done():
                turn.set_result(False)
        if self._line:
            self._timer = loop.call_at(self._line[0][0], self._send_away)
