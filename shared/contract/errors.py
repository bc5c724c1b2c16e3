"""What can go wrong, in the words of the domain. No gRPC and no driver in here: `status` translates to the one,
`postgres` and `valkey` from the other.

Every error has a `reason` that programs match on, a message that tells a person what to do, and metadata with the
values the message speaks of. The reasons are listed in docs/errors.md.

An error may repeat a part of the request, and a request may have 4 MiB. So everything that an error holds is cut here,
whoever raises it: an error longer than a client's limit for headers makes some clients drop the connection, with
everybody's calls.
"""

from collections.abc import Mapping
from uuid import UUID

# In bytes of UTF-8. A value may be an email address, of 254 characters at most.
LONGEST_VALUE = 256
LONGEST_MESSAGE = 1000
_CUT = "…"


class SavepointError(Exception):
    """The base of all our errors. Raise one of the kinds below, never this one."""

    def __init__(self, reason: str, message: str, /, **metadata: object) -> None:
        self.reason = reason
        self.message = cut(message, LONGEST_MESSAGE)
        self.metadata: Mapping[str, str] = {key: cut(str(value), LONGEST_VALUE) for key, value in metadata.items()}
        super().__init__(self.message)


class Refused(SavepointError):
    """The call was refused, and it is certain that it has written nothing. Every error of which this is true inherits
    it. Raise none of them once something may have been written: the player cache, for one, goes on at once."""


class FieldInvalid(Refused):
    """A request's field is malformed, missing or out of its range. `field` is its path, say "changes[2].player_id"."""

    def __init__(self, field: str, description: str) -> None:
        self.field = cut(field, LONGEST_VALUE)
        self.description = cut(description, LONGEST_MESSAGE - LONGEST_VALUE)
        super().__init__("FIELD_INVALID", f"{self.field}: {self.description}", field=self.field)


class RequestIdReused(Refused):
    """A request_id came again with another content."""

    def __init__(self, request_id: object) -> None:
        super().__init__(
            "REQUEST_ID_REUSED",
            "this request_id was used for another request; make a new UUID for a new request",
            request_id=request_id,
        )


class NotFound(Refused):
    """What the request names does not exist."""


def player_not_found(player_id: UUID | str) -> NotFound:
    """The error for an id that no player has."""
    return NotFound("PLAYER_NOT_FOUND", "no player has this player_id; create the player first", player_id=player_id)


class AlreadyExists(Refused):
    """What the request wants to make, or a name it wants to take, is there already."""


class PreconditionFailed(Refused):
    """The state does not allow it: too few coins, a match already finished."""


class NotSupportedByStore(Refused):
    """The database that this service runs on cannot do what the RPC asks for, whatever the state is. It says nothing
    about the state, so it is not recorded under the request_id: another store may serve the same request later.

    `ability` is what the database lacks, as its table of abilities names it; `instead` tells what to use."""

    def __init__(self, ability: str, store: str, instead: str) -> None:
        super().__init__(
            "NOT_SUPPORTED_BY_STORE",
            f"the {store} store does not support {ability}: {instead}",
            ability=ability,
            store=store,
        )


class EtagMismatch(Refused):
    """Somebody changed the thing since the caller read it."""

    def __init__(self, current: str) -> None:
        super().__init__(
            "ETAG_MISMATCH",
            "it has changed since you read it; read it again and repeat the change",
            current_etag=current,
        )


class Overloaded(Refused):
    """More work than there is room for; the same call may well succeed a moment later."""

    def __init__(self, message: str) -> None:
        super().__init__("OVERLOADED", message)


class StoreUnavailable(SavepointError):
    """A store did not answer, the retries included."""

    def __init__(self, store: str) -> None:
        super().__init__("STORE_UNAVAILABLE", f"the {store} store does not answer; try again in a moment", store=store)


class DependencyUnavailable(SavepointError):
    """Another Savepoint service did not answer."""

    def __init__(self, service: str) -> None:
        super().__init__(
            "SERVICE_UNAVAILABLE", f"the {service} service does not answer; try again in a moment", service=service
        )


class Stopping(SavepointError):
    """This process takes no new calls: it is about to end, and another one serves, or will in a moment."""

    def __init__(self) -> None:
        super().__init__("SERVICE_STOPPING", "this replica is stopping; try again in a moment")


class DeadlineReached(SavepointError):
    """The time the caller gave is over. What was begun in a transaction has been rolled back, unless its commit was
    already on the way: a request_id makes it safe to ask again."""

    def __init__(self) -> None:
        super().__init__("DEADLINE_EXCEEDED", "the call's deadline passed before the work was done")


class Bug(SavepointError):
    """Savepoint itself is wrong. The caller gets no detail; the log has all of it."""

    def __init__(self) -> None:
        super().__init__("BUG", "Savepoint failed in a way it should not; the service's log has the details")


def cut(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits into `most` bytes of UTF-8, with "…" to say that it was longer."""
    # A character has 4 bytes at most: nearly all texts are short enough to be seen so without encoding them.
    if len(text) * 4 <= most or len(encoded := text[: most + 1].encode()) <= most:
        return text
    return encoded[: most - len(_CUT.encode())].decode(errors="ignore") + _CUT
