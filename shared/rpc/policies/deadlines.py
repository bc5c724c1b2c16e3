"""How long a call may take. It ends a little before the caller's own deadline, so that our answer, which has a reason,
arrives before the client's own DEADLINE_EXCEEDED, which has none."""

import asyncio

from shared.contract.errors import DeadlineReached
from shared.rpc.policies.call import Call, Method, Policy, Step
from shared.work import deadline
from shared.work.alarms import Alarms
from shared.work.bounds import LONGEST_CALL_S

_SHAVE_S = 0.02


class Deadlines(Policy):
    """Ends a call at its deadline: the caller's, or `default_s` where it brings none, and LONGEST_CALL_S at the latest.
    A stream ends at the caller's own, or not at all."""

    def __init__(self, default_s: float) -> None:
        self._default_s = default_s
        self._alarms = Alarms()

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, cancelled when its time is over."""
        unbounded = method.streams_requests or method.streams_answers
        default_s, alarms = self._default_s, self._alarms

        async def bounded(call: Call) -> bytes | None:
            left = call.context.time_remaining()
            if left is None:
                if unbounded:
                    return await proceed(call)
                seconds = default_s
            else:
                seconds = left - _SHAVE_S if unbounded else min(left - _SHAVE_S, LONGEST_CALL_S)
            if seconds <= 0:
                raise DeadlineReached
            alarm = alarms.set(deadline.start(seconds))
            try:
                return await proceed(call)
            except BaseException as error:
                # Somebody else may have cancelled the task at the same time: that cancellation has to go on.
                if alarm.rang and alarm.task.uncancel() == 0 and isinstance(error, asyncio.CancelledError):
                    raise DeadlineReached from error
                raise
            finally:
                alarm.turn_off()

        return bounded
