"""The operations of the suite, in the order of its tables: what each is called, makes and belongs to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import operations
from bench.generator.plan import Operation
from bench.operations.picks import MOST
from bench.seed import Seed

# So many that a run at full speed does not come to the first of them again.
_MOST_UNCACHED = 100_000


class UnknownNameError(Exception):
    """A name that is none of those there are; the message lists them."""


@dataclass(frozen=True)
class Case:
    """One operation. `items`: what a call of it is about, in players, scores, items or rows.

    `make` takes how many different ids its requests may name. `replayed` is the Valkey whose part of it is measured by
    sending the service's own commands again; `sql` is the database and the pgbench script of bench/bare that does
    its part in PostgreSQL. `cached`: the players it names are in the cache when it begins; `uncached`: none of them is.
    """

    name: str
    service: str
    make: Callable[[Seed, int], Operation]
    items: int = 1
    writes: bool = False
    cached: bool = False
    uncached: bool = False
    replayed: str = ""
    sql: tuple[str, str] | None = None

    def operation(self, seed: Seed, most: int | None = None) -> Operation:
        """The calls, named as the case is."""
        if most is None:
            most = _MOST_UNCACHED if self.uncached else MOST
        return replace(self.make(seed, most), name=self.name)


def _recorded_score(seed: Seed, most: int) -> Operation:
    return operations.submit_score(seed, most, recorded=True)


def _top(seed: Seed, most: int) -> Operation:
    return operations.list_top(seed)


_PROFILE, _INVENTORY, _BOARDS = "profile", "inventory", "leaderboard"
CASES = (
    Case("GetPlayer", _PROFILE, operations.get_player, cached=True, replayed="cache"),
    Case("GetPlayer uncached", _PROFILE, operations.get_player, uncached=True, sql=(_PROFILE, "get_player")),
    Case("BatchGetPlayers(50)", _PROFILE, operations.batch_get_players, items=50, cached=True, replayed="cache"),
    Case("UpdatePlayer", _PROFILE, operations.update_player, writes=True, sql=(_PROFILE, "update_player")),
    Case("AdjustCoins", _PROFILE, operations.adjust_coins, writes=True, sql=(_PROFILE, "adjust_coins")),
    Case("TransferCoins", _PROFILE, operations.transfer_coins, writes=True, sql=(_PROFILE, "transfer_coins")),
    Case("GrantItem", _INVENTORY, operations.grant_item, writes=True, sql=(_INVENTORY, "grant_item")),
    Case("ConsumeItem", _INVENTORY, operations.consume_item, writes=True, sql=(_INVENTORY, "consume_item")),
    Case("ListItems(20)", _INVENTORY, operations.list_items, items=20, sql=(_INVENTORY, "list_items")),
    Case("RecordMatch(10)", _INVENTORY, operations.record_match, 10, writes=True, sql=(_INVENTORY, "record_match")),
    Case(
        "BatchApplyProgress(10)",
        _PROFILE,
        operations.batch_apply_progress,
        items=10,
        writes=True,
        sql=(_PROFILE, "batch_apply_progress"),
    ),
    Case("SubmitScore", _BOARDS, operations.submit_score, writes=True, replayed="ranks"),
    Case("SubmitScore with request_id", _BOARDS, _recorded_score, writes=True, replayed="ranks"),
    Case(
        "BatchSubmitScores(1000)",
        _BOARDS,
        operations.batch_submit_scores,
        items=1000,
        writes=True,
        replayed="ranks",
    ),
    Case("GetEntry", _BOARDS, operations.get_entry, replayed="ranks"),
    Case("ListTop(100)", _BOARDS, _top, items=100, replayed="ranks"),
    Case("ListAround(5)", _BOARDS, operations.list_around, items=11, replayed="ranks"),
)
NAMES = tuple(case.name for case in CASES)


def chosen(names: Sequence[str]) -> list[Case]:
    """Those of these names, in the suite's order; all of them for none. Raises UnknownNameError."""
    check(names, NAMES, "operation")
    return [case for case in CASES if not names or case.name in names]


def one(name: str) -> Case:
    """The one of this name. Raises UnknownNameError."""
    wanted = names(name) or [name]
    check(wanted, NAMES, "operation")
    return next(case for case in CASES if case.name == wanted[0])


def names(given: str) -> list[str]:
    """What stands in a list with commas. `RecordMatch(10)` may be given as `RecordMatch`."""
    named = [name.strip() for name in given.split(",") if name.strip()]
    return [next((known for known in NAMES if known.startswith(f"{name}(")), name) for name in named]


def numbers(given: str) -> list[int]:
    """Likewise whole numbers from 1. Raises UnknownNameError."""
    found = [name.strip() for name in given.split(",") if name.strip()]
    if not found or any(not number.isdigit() or int(number) < 1 for number in found):
        raise UnknownNameError(f"{given!r} is no list of numbers from 1, say 1,16,64")
    return [int(number) for number in found]


def check(names: Sequence[str], known: Sequence[str], what: str) -> None:
    """Raises UnknownNameError for the first that is not known."""
    for name in names:
        if name not in known:
            raise UnknownNameError(f"no {what} is called {name!r}; there are: {', '.join(known)}")
