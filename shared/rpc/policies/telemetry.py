"""What is told of every call: its duration by status, how many run, a span, and under which id the logs name it."""

import time

import grpc
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
            code = StatusCode.CANCELLED
            metadata = request_id.start(call.context.invocation_metadata)
            try:
                answer = await traced(call)
                code = _set_by_servicer(call.context) or StatusCode.OK
                return answer
            except aio.AbortError:
                code = call.code or _set_by_servicer(call.context) or StatusCode.UNKNOWN
                raise
            finally:
                request_id.end(metadata)
                self._running -= counted
                calls.count(code.name, time.perf_counter() - begun)

        return measured

    def _traced(self, method: Method, proceed: Step) -> Step:
        async def traced(call: Call) -> bytes | None:
            with self._traces.call(method.path, _metadata(call.context)):
                return await proceed(call)

        return traced


def _set_by_servicer(context: Context) -> grpc.StatusCode | None:
    """The status that the servicer has set; grpc.aio keeps it as a number."""
    code = context.code()
    return _CODES.get(code) if isinstance(code, int) else code


def _metadata(context: Context) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
