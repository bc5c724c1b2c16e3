"""What a store says that a service may have to act on, in words of our own: no service knows a driver."""


class StoreUnfit(Exception):
    """The store answers, and cannot serve this version as it is; the message says what mends it."""


class ConstraintViolated(Exception):
    """A write ran into the constraint called `name`, and nothing of it happened."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the constraint {name} forbids it")
        self.name = name


class OutOfRange(Exception):
    """A number left the range of its column, and nothing of the write happened."""
