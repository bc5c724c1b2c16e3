"""Who calls. Nobody has to prove it yet, so a caller is known by address and program; the logs name both.

Credentials will be checked here: before a call takes any room, and after what measures and answers refused ones.
"""

import logging

from shared.rpc.policies.call import Call, Method, Policy, Step

_log = logging.getLogger("savepoint.call")


class Identities(Policy):
    """Notes the caller in the log, at DEBUG."""

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, once the caller is known. Health checks come every half second from everybody: not noted."""
        if not method.own:
            return proceed
        labels = {"rpc_service": method.service, "rpc_method": method.name}

        async def identified(call: Call) -> bytes | None:
            if _log.isEnabledFor(logging.DEBUG):
                programs = [value for key, value in call.context.invocation_metadata() or () if key == "user-agent"]
                caller = {"peer": call.context.peer(), "user_agent": programs[0] if programs else ""}
                _log.debug("call", extra={**labels, **caller})
            return await proceed(call)

        return identified
