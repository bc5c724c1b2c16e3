"""The caller's own id for a call, for the logs and for the services that the call asks in its turn."""

from shared.rpc.policies.call import Call, Method, Policy, Step
from shared.telemetry import request_id


class RequestIds(Policy):
    """Lets everything that a call does know its x-request-id."""

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, which works for the call. Health and reflection write no logs of ours."""
        if not method.own:
            return proceed

        async def known(call: Call) -> bytes | None:
            metadata = request_id.start(call.context.invocation_metadata)
            try:
                return await proceed(call)
            finally:
                request_id.end(metadata)

        return known
