"""Whether what a store was told is kept: its append-only log."""

from collections.abc import Mapping

from deploy.doctor.finding import Finding, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.text import duration, size
from deploy.doctor.valkey.server import Info, count

CHECK = "append-only log"
_WHY_LOST = "when the server ends, what was written since the last dump, or all of it, is gone"


def look(info: Info, config: Mapping[str, str], limits: Limits) -> list[Finding]:
    """Of a store that keeps what no other place has."""
    if not count(info, "aof_enabled"):
        do = "config set appendonly yes, and appendonly yes in its configuration"
        return [problem(CHECK, "appendonly is off", _WHY_LOST, do, enabled=0)]
    found = []
    if info.get("aof_last_write_status") != "ok":
        why = "writes are refused, or are not on the disk"
        found.append(
            problem(CHECK, "the last write of the log failed", why, "see whether the disk is full, and the log")
        )
    if info.get("aof_last_bgrewrite_status") != "ok":
        why = "the log grows until the disk is full, and takes ever longer to read at a start"
        do = "see its log for why; often the disk is full, or vm.overcommit_memory is not 1; then BGREWRITEAOF"
        found.append(problem(CHECK, "the last rewrite of the log failed", why, do))
    if config.get("appendfsync") == "no":
        why = "a crash of the machine loses what the system had not written yet, half a minute of it or more"
        found.append(problem(CHECK, "appendfsync is no", why, "config set appendfsync everysec"))
    if delayed := count(info, "aof_delayed_fsync"):
        what = f"{delayed} times the disk was not ready when the log was to be synced"
        why = "each time the server stood still and answered nobody"
        found.append(notice(CHECK, what, why, "give it a faster disk, or one of its own", delayed=delayed))
    fork_ms = count(info, "latest_fork_usec") / 1000
    if fork_ms >= limits.fork_notice_ms:
        what, why = f"the last fork took {duration(fork_ms / 1000)}", "nobody was answered meanwhile"
        do = "fewer boards a server, or auto-aof-rewrite-min-size larger, so that it forks less often"
        found.append(notice(CHECK, what, why, do, fork_ms=fork_ms))
    log = count(info, "aof_current_size")
    what = f"{size(log)}, synced {config.get('appendfsync', 'as nobody may know')}; the last rewrite was well"
    return found or [ok(CHECK, what, log_bytes=log)]
