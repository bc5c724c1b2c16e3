"""What is told of every call: its duration by status, how many run, a span, and under which id the logs name it."""

import time
from typing import Any

from grpc import StatusCode, aio

from shared.rpc.policies.call import Call, Context, Method, Policy, Step
from shared.telemetry import request_id
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

_CODES = {code.value[0]: code for code in StatusCode}


class Measuring(Policy):
    """Metrics rpc_server_duration_seconds and rpc_server_handlers_running; with a collector, a span a call. The
    caller's x-request-id is known to whatever the call does."""

    def __init__(self, metrics: Metrics, traces: Traces) -> None:
        self._metrics = metrics
        self._traces = traces
        self._running = 0
        metrics.watch_handlers(lambda: self._running)

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, measured."""
        calls = self._metrics.calls(method.service, method.name)
        # A watch of our health may stand for days, and is no work of ours.
        counted = int(method.own)
        traced = self._traced(method, proceed) if self._traces.enabled else proceed

        async def measured(call: Call) -> bytes | None:
            begun = time.perf_counter()
            self._running += counted
            context = call.context
            code = "CANCELLED"
            metadata = request_id.start(context.invocation_metadata)
            try:
                answer = await traced(call)
                # Nearly always nothing was set; the name of a StatusCode takes longer to find than all else here.
                code = "OK" if (given := context.code()) is None else _name(given)
                return answer
            except aio.AbortError:
                code = call.code.name if call.code else _name(context.code(), "UNKNOWN")
                raise
            finally:
                request_id.end(metadata)
                self._running -= counted
                calls.count(code, time.perf_counter() - begun)

        return measured

    def _traced(self, method: Method, proceed: Step) -> Step:
        async def traced(call: Call) -> bytes | None:
            with self._traces.call(method.path, _metadata(call.context)):
                return await proceed(call)

        return traced


def _name(code: Any, otherwise: str = "OK") -> str:
    """A status by its name. grpc.aio keeps what the servicer has set as a number."""
    found: StatusCode | None = _CODES.get(code) if isinstance(code, int) else code
    return found.name if found else otherwise


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
