"""What an attack is, and the list of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.wire.connection import Answer
from tests.wire.target import Target

Run = Callable[[Target, int], Awaitable[Answer]]


@dataclass(frozen=True)
class Attack:
    """Something that a hostile or broken peer does, so many times; `peak_mb` is how far the service's memory may rise
    above what it was before while it lasts."""

    name: str
    run: Run
    small: int
    full: int
    peak_mb: int

    @property
    def what(self) -> str:
        """What it does, in a line."""
        return (self.run.__doc__ or "").strip()


ATTACKS: dict[str, Attack] = {}


def attack(small: int = 1, full: int | None = None, peak_mb: int = 40) -> Callable[[Run], Run]:
    """Registers a function as an attack: `small` is its size in the test suite, `full` what the issue asks for."""

    def register(run: Run) -> Run:
        name = run.__name__
        assert name not in ATTACKS, name
        ATTACKS[name] = Attack(name, run, small, small if full is None else full, peak_mb)
        return run

    return register
