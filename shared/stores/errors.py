"""Errors of the stores that a service may have to act on. They are our own, so that no service needs to know a
driver."""

from shared.contract.errors import StoreUnavailable


class StoreUnfit(Exception):
    """The store answers, but cannot serve this version as it is; the message says how to mend that."""


class MigrationError(Exception):
    """A migration failed or the database did not answer; the message is dbmate's."""


class ConstraintViolated(Exception):
    """The constraint called `name` forbids a write; nothing of it happened."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the constraint {name} forbids it")
        self.name = name


class LockTimeout(StoreUnavailable):
    """Another transaction did not let go of what a write needs within the write's own bound; nothing of it happened."""


class Contended(StoreUnavailable):
    """A write lost against other transactions each time it was tried; nothing of it happened."""


class OutOfRange(Exception):
    """A number left the range of its column, and nothing of the write happened."""


# What one request can do to a statement that it shares; nothing of the statement happened.
SPOILED = (ConstraintViolated, LockTimeout, Contended, OutOfRange)
