"""How a service's SQL database is replicated, as its settings say."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Replication:
    """`mode` is single, replica or cluster. With `replica`, `replica_urls` are the streaming replicas that take reads.

    A read that brings a consistency token waits up to `wait_s` seconds for a replica, then goes to the primary. A
    replica that is more than `most_behind_s` seconds behind is not read at all.
    """

    mode: str = "single"
    replica_urls: Sequence[str] = ()
    wait_s: float = 0.1
    most_behind_s: float = 30.0


SINGLE = Replication()
