"""What can go wrong, in the words of the domain. No gRPC and no driver in here: `status` translates to the one,
`postgres` and `valkey` from the other.

Every error has a `reason` that programs match on, a message that tells a person what to do, and metadata with the
values the message speaks of. The reasons are listed in docs/errors.md.
"""

from collections.abc import Mapping
from uuid import UUID


class SavepointError(Exception):
    """The family's head: raise one of the kinds below."""

    def __init__(self, reason: str, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}


class FieldInvalid(SavepointError):
    """A request's field is malformed, missing or out of its range. `field` is its path, say "changes[2].player_id"."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__("FIELD_INVALID", f"{field}: {description}", field=field)
        self.field = field
        self.description = description


class RequestIdReused(SavepointError):
    """A request_id came again with another content."""

    def __init__(self, request_id: object) -> None:
        super().__init__(
            "REQUEST_ID_REUSED",
            "this request_id was used for another request; make a new UUID for a new request",
            request_id=request_id,
        )


class NotFound(SavepointError):
    """What the request names does not exist."""


def player_not_found(player_id: UUID) -> NotFound:
    """The error for an id that no player has."""
    return NotFound("PLAYER_NOT_FOUND", "no player has this player_id; create the player first", player_id=player_id)


class AlreadyExists(SavepointError):
    """What the request wants to make, or a name it wants to take, is there already."""


class Unmet(SavepointError):
    """The state does not allow it: too few coins, a match already finished."""


class EtagMismatch(SavepointError):
    """Somebody changed the thing since the caller read it."""

    def __init__(self, current: str) -> None:
        super().__init__(
            "ETAG_MISMATCH",
            "it has changed since you read it; read it again and repeat the change",
            current_etag=current,
        )


class Overloaded(SavepointError):
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
