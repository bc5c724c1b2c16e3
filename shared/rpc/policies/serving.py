"""The innermost step: the servicer's own method."""

from contextlib import aclosing

from shared.rpc.messages import serialized
from shared.rpc.policies.call import Call, Method, Step


def served(method: Method) -> Step:
    """Runs the servicer's method and serializes what it answers."""
    behaviour = method.behaviour

    async def answer(call: Call) -> bytes | None:
        return serialized(await behaviour(call.request, call.context))

    async def stream(call: Call) -> bytes | None:
        answers = behaviour(call.request, call.context)
        if not hasattr(answers, "__aiter__"):
            # It writes to the context by itself, as the health servicer does.
            await answers
            return None
        write = call.context.write
        # Closes the generator at once when the caller goes away in the middle of the stream.
        async with aclosing(answers):
            async for message in answers:
                await write(message)
        return None

    return stream if method.streams_answers else answer
