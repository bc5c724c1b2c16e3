"""Read your own writes, where reads may go to replicas: an answer to a write says how far the database had come, and a
read that brings this back sees at least so much."""

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import MethodOptions

from shared.contract.consistency import KEY, demand, token
from shared.contract.errors import AlreadyExists, EtagMismatch, NotFound, PreconditionFailed
from shared.rpc.policies.call import Call, Method, Policy, Step
from shared.work import consistency
from shared.work.consistency import Latest

# Refusals that tell of the state of things. Their caller may go on to read that state, say the etag that is there now.
_TELL_OF_THE_STATE = (NotFound, AlreadyExists, PreconditionFailed, EtagMismatch)


class Consistency(Policy):
    """Puts a consistency_token into the trailing metadata of every write, its refusals too, and notes the one that a
    call brings. Raises FieldInvalid for one that is malformed."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest

    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed` with the token before and after it."""
        if not method.own:
            return proceed
        latest = self._latest

        async def reading(call: Call) -> bytes | None:
            metadata = call.context.invocation_metadata() or ()
            # Set in any case: the host may run a call in a task that had another one before.
            consistency.start(demand(value for key, value in metadata if key == KEY))
            return await proceed(call)

        async def writing(call: Call) -> bytes | None:
            try:
                answer = await reading(call)
            except _TELL_OF_THE_STATE:
                call.trailers = ((KEY, token(await latest())),)
                raise
            # After the write, so it lies behind all that was written. A repeated request gets one likewise.
            call.context.set_trailing_metadata(((KEY, token(await latest())),))
            return answer

        return reading if _only_reads(method) else writing


def _only_reads(method: Method) -> bool:
    """Whether the proto says NO_SIDE_EFFECTS; a method that is not in any proto counts as a write."""
    try:
        found = descriptor_pool.Default().FindMethodByName(f"{method.service}.{method.name}")
    except KeyError:
        return False
    return bool(found.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS)
