"""What must hold of the suite's figures. Each check is made where its rows were measured, and left out elsewhere."""

from collections.abc import Iterable, Iterator

from bench.catalogue import CASES
from bench.figures import GATEWAY, SERVICE, Row, Run
from bench.report import Check

_CROWD = 64
# Of the empty call's calls a second.
_SHARES = {
    "SubmitScore": 0.40,
    "GetEntry": 0.40,
    "GetPlayer": 0.45,
    "ListAround(5)": 0.25,
    "ListTop(100)": 0.20,
    "GetPlayer uncached": 0.20,
    "AdjustCoins": 0.14,
    "TransferCoins": 0.14,
    "GrantItem": 0.14,
}
# Times the peer's calls a second.
_TIMES_PEER = {
    "SubmitScore": 3.0,
    "ListTop(100)": 2.5,
    "ListAround(5)": 4.0,
    "GetPlayer": 2.0,
    "GrantItem": 1.5,
    "AdjustCoins": 2.3,
}
_PEER_P99 = 0.5
# Calls or items a second.
_RATES = {
    "BatchSubmitScores(1000)": ("scores", 150_000),
    "BatchGetPlayers(50)": ("players", 60_000),
    "RecordMatch(10)": ("matches", 1_500),
}
_THROUGH_GATEWAY = 0.55
_OVER_BARE = 1.3
_TAIL = 4.0


def checks(run: Run) -> list[Check]:
    """Every check that the run's rows allow."""
    made = [*_errors(run), *_generator(run)]
    for name in run.operations:
        if crowd := run.row(name, SERVICE, _CROWD):
            made += [*_of_crowd(crowd), *_beside_peer(run, crowd), *_through_gateway(run, crowd)]
        if (alone := run.row(name, SERVICE, 1)) and _writes(name):
            made += _over_bare(run, alone)
    return made


def _errors(run: Run) -> Iterable[Check]:
    failed = sum(row.errors for row in run.rows)
    where = [f"{row.operation} via {row.via}, {row.callers} callers" for row in run.rows if row.errors]
    yield Check("calls that failed", f"{failed} {', '.join(where)}".strip(), "0", not failed)


def _generator(run: Run) -> Iterator[Check]:
    # Else the generator would be what is measured.
    if shares := [run.of(row).generator_cpu_us / row.service_cpu_us for row in run.rows if row.service_cpu_us]:
        most = max(shares)
        yield Check("the generator's CPU a call, of the service's", f"up to {most:.0%}", "under 100%", most < 1)


def _of_crowd(row: Row) -> Iterator[Check]:
    if wanted := _SHARES.get(row.operation):
        share = row.share_of_empty
        yield Check(f"{row.operation}: of the empty call's calls/s", f"{share:.0%}", f"{wanted:.0%}", share >= wanted)
    if rate := _RATES.get(row.operation):
        what, least = rate
        measured = row.calls_per_s if what == "matches" else row.items_per_s
        yield Check(f"{row.operation}: {what} a second", f"{measured:,.0f}", f"{least:,}", measured >= least)
    times = row.p99_ms / row.p50_ms if row.p50_ms else 0.0
    yield Check(f"{row.operation}: p99 over p50", f"{times:.1f} times", f"at most {_TAIL:g}", 0 < times <= _TAIL)


def _beside_peer(run: Run, row: Row) -> Iterator[Check]:
    if row.ratio_to_peer is None:
        return
    wanted, ratio = _TIMES_PEER[row.operation], row.ratio_to_peer
    yield Check(f"{row.operation}: times the peer (scaled)", f"{ratio:.2f}", f"{wanted:g}", ratio >= wanted)
    if peer_p99_ms := run.of(row).peer_p99_ms:
        share = row.p99_ms / peer_p99_ms
        what = f"{row.operation}: p99 of the peer's (scaled)"
        yield Check(what, f"{share:.2f} of it", f"at most {_PEER_P99:g}", share <= _PEER_P99)


def _through_gateway(run: Run, row: Row) -> Iterator[Check]:
    if through := run.row(row.operation, GATEWAY, row.callers):
        share = through.calls_per_s / max(1e-9, row.calls_per_s)
        what = f"{row.operation}: through the gateway"
        yield Check(what, f"{share:.0%} of direct", f"{_THROUGH_GATEWAY:.0%}", share >= _THROUGH_GATEWAY)


def _over_bare(run: Run, row: Row) -> Iterator[Check]:
    beside = run.of(row)
    if beside.bare is not None:
        floor_ms = beside.bare["p50_ms"] + beside.empty_p50_ms
        times = row.p50_ms / max(1e-9, floor_ms)
        what = f"{row.operation}: one caller's p50 over bare + empty"
        yield Check(what, f"{times:.2f} times", f"at most {_OVER_BARE:g}", times <= _OVER_BARE)


def _writes(name: str) -> bool:
    return any(case.name == name and case.writes for case in CASES)
