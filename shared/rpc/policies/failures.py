"""Turns the failure of any call into a status."""

import logging

from grpc import StatusCode, aio

from shared.contract.errors import Bug, SavepointError
from shared.rpc import status
from shared.rpc.policies.call import Call, Method, Policy, Step

_log = logging.getLogger("savepoint.call")

# grpc.aio's context gives a code back as its number.
_UNIMPLEMENTED = (StatusCode.UNIMPLEMENTED, StatusCode.UNIMPLEMENTED.value[0])


class Failures(Policy):
    """Ends a failed call with the status, reason and details of its error. An exception that is no SavepointError is a
    bug: the log gets all of it, the caller learns only that it is one."""

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed`, whose failures become statuses."""
        labels = {"rpc_service": method.service, "rpc_method": method.name}

        async def answered(call: Call) -> bytes | None:
            try:
                return await proceed(call)
            except SavepointError as error:
                failure = error
                if isinstance(error, Bug):
                    _log.exception("call failed: this is a bug", extra=labels)
            except aio.AbortError:
                # A library's servicer (health, reflection) has ended the call by itself.
                raise
            except Exception as error:
                if isinstance(error, NotImplementedError) and call.context.code() in _UNIMPLEMENTED:
                    # The generated base class: its servicer leaves the method out, as the official health servicer does
                    # with List.
                    call.code = StatusCode.UNIMPLEMENTED
                    return await call.context.abort(call.code, f"{method.service} does not offer {method.name}")
                _log.exception("call failed: this is a bug", extra=labels)
                failure = Bug()
            call.code = status.code_of(failure)
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("call refused: %s", failure.message, extra={**labels, "reason": failure.reason})
            message, trailers = status.message_of(failure), (*status.trailers(failure), *call.trailers)
            # The error's traceback refers to this frame, and this frame to the error: as a cycle, both would stay in
            # memory until the garbage collector runs.
            del failure
            return await call.context.abort(call.code, message, trailers)

        return answered
