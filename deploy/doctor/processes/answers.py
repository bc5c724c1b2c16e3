"""How a service's calls ended."""

from collections import Counter

from deploy.doctor.finding import Figure, Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.processes.sample import Sample
from deploy.doctor.text import percent

CHECK = "answers"
_CALLS = "rpc_server_duration_seconds_count"
_CODE = "rpc_grpc_status_code"
# What must not end so, why, and what to do.
_BAD = {
    "RESOURCE_EXHAUSTED": (
        "calls were refused as OVERLOADED: more came than the service can do",
        "look at the pool and at slow statements; add a process (REPLICAS=, --scale); raise MAX_CONCURRENT_CALLS only "
        "if CPU and connections are left",
    ),
    "DEADLINE_EXCEEDED": (
        "callers got no answer in the time that they gave",
        "look at lock waits, slow statements and CPU; see whether callers' deadlines can be kept",
    ),
    "UNAVAILABLE": (
        "a store or a sibling service did not answer",
        "look at the stores' findings and at the service's log",
    ),
}
_BUGS = ("INTERNAL", "UNKNOWN")


def look(before: Sample, after: Sample, window_s: float, limits: Limits) -> list[Finding]:
    """Bad ends in the window, and since the process began."""
    earlier, total = _by_code(before), _by_code(after)
    now = total - earlier
    found = []
    for code, (why, do) in _BAD.items():
        what = f"{code}: {now[code]} of {now.total()} calls just now, {total[code]} of {total.total()} in all"
        figures: dict[str, Figure] = {"code": code, "now": now[code], "total": total[code], "calls": total.total()}
        if _often(now, code, limits):
            found.append(problem(CHECK, what, why, do, **figures))
        elif _often(total, code, limits):
            found.append(notice(CHECK, what, why, do, **figures))
    for code in _BUGS:
        if total[code]:
            what = f"{code}: {now[code]} just now, {total[code]} in all"
            graded = problem if now[code] else notice
            do = "find it in the service's log, by its x-request-id, and report it"
            found.append(graded(CHECK, what, "it is a bug: no call may end so", do, code=code, total=total[code]))
    rate = now.total() / window_s
    fine = percent(total["OK"] / total.total()) if total else "none"
    what = f"{rate:.0f} calls a second now; {total.total():,} in all, {fine} OK"
    return found or [ok(CHECK, what, calls_per_s=round(rate, 1), calls=total.total())]


def _by_code(sample: Sample) -> Counter[str]:
    return Counter({code: count for (code,), count in sample.by(_CALLS, _CODE).items()})


def _often(calls: Counter[str], code: str, limits: Limits) -> bool:
    return calls.total() >= limits.calls and calls[code] >= limits.bad_answers_ratio * calls.total()
