"""Failures to statuses, once for all calls."""

import logging

from grpc import StatusCode, aio

from shared.contract.errors import Bug, SavepointError
from shared.rpc import status
from shared.rpc.policies.call import Call, Method, Policy, Step

_log = logging.getLogger("savepoint.call")

# grpc.aio's context gives a code back as its number.
_UNIMPLEMENTED = (StatusCode.UNIMPLEMENTED, StatusCode.UNIMPLEMENTED.value[0])


class Failures(Policy):
    """Ends a call that failed with the status, reason and details of its error. What is no error of ours is a bug: the
    log has all of it, the caller no more than that."""

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
                # A servicer of the libraries has ended the call by itself.
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
            message, trailers = status.message_of(failure), status.trailers(failure)
            # It knows this frame by its traceback: the two would stay until the garbage is collected.
            del failure
            return await call.context.abort(call.code, message, trailers)

        return answered
