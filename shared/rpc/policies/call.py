"""A call on its way through the policies, whichever host carries it.

Every call, streaming or not, is one coroutine. It takes the request: a message, or a stream of messages. Its result is
the answer's message; where the answer is a stream, it writes the messages to the context, and its result is None.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio

from shared.contract.errors import SavepointError

Context = aio.ServicerContext[Any, Any]

# As the host hands it over: a message, a stream of messages, or why it could read none.
Request = bytes | AsyncIterator[bytes] | SavepointError
# The answer as bytes; None where it has been written to the context.
Step = Callable[["Call"], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its path "/package.Service/Name", in parts, and what the generated code registers for it."""

    path: str
    service: str
    name: str
    # The servicer's method, whose shape follows from the two flags as in grpc.aio.
    behaviour: Callable[[Any, Context], Any]
    parse: Callable[[bytes], Any]
    streams_requests: bool
    streams_answers: bool

    @classmethod
    def of(cls, path: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> "Method":
        """The method at a path."""
        service, _, name = path.removeprefix("/").rpartition("/")
        behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        parse = handler.request_deserializer or bytes
        return cls(
            path, service, name, behaviour, parse, bool(handler.request_streaming), bool(handler.response_streaming)
        )

    @property
    def own(self) -> bool:
        """Whether it is one of Savepoint's. Health and reflection come from libraries, and are answered even while ours
        are refused."""
        return self.service.startswith("savepoint.")


class Call:
    """One call. `request` is bytes, or an iterator of bytes, until `parsing` has made messages of them; or it is the
    error that says why the host could read none, which `parsing` raises, so that it is answered as any other."""

    __slots__ = ("code", "context", "method", "request", "trailers")

    def __init__(
        self, method: Method, context: Context, request: bytes | AsyncIterator[bytes] | SavepointError
    ) -> None:
        self.method = method
        self.context = context
        self.request: Any = request
        # Set where a policy ends the call with an error.
        self.code: grpc.StatusCode | None = None
        # Metadata that goes with such an error.
        self.trailers: tuple[tuple[str, str | bytes], ...] = ()


class Policy(ABC):
    """A rule that every call passes. Made once a process; `around` is asked once for each method."""

    @abstractmethod
    def around(self, method: Method, proceed: Step) -> Step:
        """`proceed` with the rule kept around it; `proceed` itself where the rule does not concern the method."""
