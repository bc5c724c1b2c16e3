"""How many calls may be in flight, and what becomes of those beyond.

Whoever comes when all the room is taken waits in line a moment, because most calls end within milliseconds, and is told
OVERLOADED when no room has come free by then. The wait is short, so that a caller who has to go elsewhere knows soon;
and it is what keeps callers who come back at once from costing the service more than those it serves.
"""

import asyncio
from collections import deque

from shared.errors import Overloaded
from shared.rpc.policies.call import Call, Method, Policy, Step

LONGEST_WAIT_S = 0.025


class Admission(Policy):
    """Lets `most` calls in at once, of all methods of ours together."""

    def __init__(self, most: int) -> None:
        self._room = most
        self._line: deque[asyncio.Future[bool]] = deque()

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
        """Returns when a leaving call has handed over its room."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._line.append(turn)
        bound = loop.call_later(LONGEST_WAIT_S, _send_away, turn)
        try:
            admitted = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                # The room came at the very moment when the caller gave up.
                self._leave()
            raise
        finally:
            bound.cancel()
            # While no call ends, nobody else takes those who gave up or were sent away out of the line.
            while self._line and self._line[0].done():
                self._line.popleft()
        if not admitted:
            raise Overloaded("too many calls are in flight; try again in a moment")

    def _leave(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self._room += 1


def _send_away(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
