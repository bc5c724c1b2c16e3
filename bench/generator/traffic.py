"""The operations of a plan on their way: which request comes next, and how its calls went."""

import itertools

from bench.generator.plan import ANY_UUID, Operation, Request
from bench.generator.tally import Tally

# Where a request has this, each call has an id of its own.
MARK = ANY_UUID.encode()


class Traffic:
    """An operation on its way: its requests in turn, and the tally that its calls are counted in now."""

    def __init__(self, operation: Operation) -> None:
        self.name = operation.name
        self.method = operation.method
        # Of the framed message: a byte and its length stand before it.
        self.least_bytes = 5 + max(operation.least_bytes, 0 if operation.may_be_empty else 1)
        self.tally = Tally()
        self.earlier: list[Tally] = []
        self.requests = itertools.cycle([_prepared(request) for request in operation.requests])

    def count_anew(self) -> Tally:
        """Starts another tally, and returns the one of before."""
        before, self.tally = self.tally, Tally()
        self.earlier.append(before)
        return before

    def ended(self) -> dict[str, int]:
        """All calls ever, by kind."""
        kinds: dict[str, int] = {}
        for tally in (*self.earlier, self.tally):
            for kind, count in tally.counts().items():
                kinds[kind] = kinds.get(kind, 0) + count
        return kinds


def _prepared(request: Request) -> tuple[bytes, bytes, bool]:
    framed = b"\0" + len(request.body).to_bytes(4, "big") + request.body
    return framed, request.expect, MARK in framed
