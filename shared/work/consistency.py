"""What the current call's reads have to see. A policy sets it when the call begins; whoever reads from a replica asks.

Work that several callers share has no call of its own: it must not go by what one of them asks for. Batches and shared
reads set PRIMARY, so that a read inside them sees everything.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from shared.contract.consistency import Demand, Position

# How far the primary's log has come, asked now: whatever was committed before lies before it. None where nobody can
# say.
Latest = Callable[[], Awaitable[Position | None]]

_demand: ContextVar[Demand | None] = ContextVar("consistency_demand", default=None)


def start(demand: Demand | None) -> None:
    """The current task, and those it starts from now on, read at least this; None: as old as it may be."""
    _demand.set(demand)


def demand() -> Demand | None:
    """What the current call's reads have to see."""
    return _demand.get()
