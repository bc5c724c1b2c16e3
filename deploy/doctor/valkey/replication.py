"""Replicas of a server, and the state of its cluster."""

from redis.asyncio import Redis

from deploy.doctor.finding import Finding, graded, notice, ok, problem
from deploy.doctor.limits import Limits
from deploy.doctor.text import duration, size
from deploy.doctor.valkey.server import Info, count

CHECK = "replication"
_SLOTS = 16_384


def look(info: Info, limits: Limits) -> list[Finding]:
    """Of a primary, its replicas; of a replica, its link."""
    if info.get("role") == "slave":
        primary = f"{info.get('master_host')}:{info.get('master_port')}"
        if info.get("master_link_status") != "up":
            why = "it gets nothing new, and a service that reads or writes here is served stale boards or refused"
            do = "see whether the primary runs and takes this replica's password"
            return [problem(CHECK, f"this replica has lost its primary {primary}", why, do)]
        return [ok(CHECK, f"a replica of {primary}, and connected")]
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    found = [each for replica in replicas for each in _replica(info, replica, limits)]
    return found or [ok(CHECK, "no replicas" if not replicas else f"{len(replicas)} replicas, all online")]


def _replica(info: Info, replica: Info, limits: Limits) -> list[Finding]:
    behind = count(info, "master_repl_offset") - count(replica, "offset")
    lag = count(replica, "lag")
    name = f"{replica.get('ip')}:{replica.get('port')}"
    what = f"replica {name} is {replica.get('state')}, {size(behind)} and {duration(lag)} behind"
    if replica.get("state") == "online" and lag < limits.lag_notice_s:
        return []
    why = "a failover to it loses what it lacks"
    do = (
        "look at its log, its memory and the network; repl-backlog-size larger, if it copies everything again and again"
    )
    return [graded(lag >= limits.lag_problem_s)(CHECK, what, why, do, behind_bytes=behind, lag_s=lag)]


async def cluster(client: "Redis", info: Info) -> list[Finding]:
    """Of a server that is one of a cluster."""
    if not count(info, "cluster_enabled"):
        return []
    state = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    said = state if isinstance(state, dict) else dict(line.split(":", 1) for line in str(state).split("\r\n") if line)
    assigned, failing = int(said["cluster_slots_assigned"]), int(said["cluster_slots_fail"])
    suspected = int(said["cluster_slots_pfail"])
    what = f"{said['cluster_state']}: {said['cluster_size']} shards, {said['cluster_known_nodes']} nodes, "
    what += f"{assigned} of {_SLOTS} slots"
    if said["cluster_state"] != "ok" or failing or assigned < _SLOTS:
        why = "boards whose slot has no server cannot be read or written"
        do = "CLUSTER NODES shows which node fails; start it, or fail over to its replica (CLUSTER FAILOVER)"
        return [problem("cluster", f"{what}; {failing} fail", why, do, slots=assigned, slots_failing=failing)]
    if suspected:
        why, do = "a node does not answer this one", "CLUSTER NODES shows which"
        return [notice("cluster", f"{what}; {suspected} may fail", why, do, slots=assigned, slots_suspected=suspected)]
    return [ok("cluster", what, slots=assigned)]
