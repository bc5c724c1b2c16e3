"""The id under which a call is known outside: what the caller, or a proxy before us, has put into `x-request-id`.

It is in every log line of the call, and goes on to the services that the call asks. Whoever sets it finds one action of
a player's in the logs of all services. It has nothing to do with the contract's request_id, which makes repeats safe.
"""

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token

KEY = "x-request-id"
# What cannot be such an id, or would fill the log, is left out. What gRPC refuses to send on as metadata is among it.
_FORM = re.compile(r"[!-~]{1,128}")

# Keys and values, as the call's context gives them: read only where somebody wants to know, since most calls write no
# log and ask nobody.
Metadata = Callable[[], Iterable[tuple[str, str | bytes]] | None]

_metadata: ContextVar[Metadata | None] = ContextVar("request_id", default=None)


def start(metadata: Metadata) -> "Token[Metadata | None]":
    """The current task, and those it starts from now on, work for the call with this metadata. The result is for
    `end`."""
    return _metadata.set(metadata)


def end(started: "Token[Metadata | None]") -> None:
    """The call has ended. Without this it would stay in memory until the garbage is collected: the call knows its task,
    and its task knows the call."""
    _metadata.reset(started)


def current() -> str:
    """The id; empty for a call without one, and for work that belongs to no call."""
    metadata = _metadata.get()
    if metadata is None:
        return ""
    found = next((value for key, value in metadata() or () if key == KEY), "")
    return found if isinstance(found, str) and _FORM.fullmatch(found) else ""
