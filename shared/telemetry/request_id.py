"""The id under which a call is known outside: what the caller, or a proxy before us, has put into `x-request-id`.

It is in every log line of the call, and goes on to the services that the call asks. A game server that sets it can find
one action of a player in the logs of all services. It has nothing to do with the contract's request_id, which makes
repeats safe.
"""

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar

KEY = "x-request-id"
# Any other value is ignored: it would fill the log, or has more than visible ASCII, some of which gRPC refuses to send
# on as metadata.
_FORM = re.compile(r"[!-~]{1,128}")

# Keys and values, as the call's context gives them: read only where somebody wants to know, since most calls write no
# log and ask nobody.
Metadata = Callable[[], Iterable[tuple[str, str | bytes]] | None]


class CallMetadata:
    """The metadata of one call, until it ends."""

    __slots__ = ("read",)

    def __init__(self, read: Metadata) -> None:
        self.read: Metadata | None = read


_call: ContextVar[CallMetadata | None] = ContextVar("call_metadata", default=None)


def start(metadata: Metadata) -> CallMetadata:
    """The current task, and those it starts from now on, work for the call with this metadata. The result is for
    `end`."""
    call = CallMetadata(metadata)
    _call.set(call)
    return call


def end(call: CallMetadata) -> None:
    """The call has ended. Timers and tasks that it has started may still hold what `start` has set: they must not keep
    all of the call in memory."""
    call.read = None


def current() -> str:
    """The id; empty for a call without one, and for work that belongs to no call."""
    call = _call.get()
    if call is None or call.read is None:
        return ""
    found = next((value for key, value in call.read() or () if key == KEY), "")
    return found if isinstance(found, str) and _FORM.fullmatch(found) else ""
