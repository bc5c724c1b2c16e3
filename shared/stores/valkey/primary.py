"""Whether a server is a primary, and since which promotion."""

from shared.stores.valkey.link import NotPrimaryError
from shared.stores.valkey.pipeline import Pipeline

# Enough of a replication id to tell one from any other.
_LETTERS = 12


async def reign(pipeline: Pipeline) -> str:
    """The reign of the server at the other end: the beginning of its replication id, of which it takes a new one when
    it is promoted. Raises NotPrimaryError where it is a replica."""
    lines: bytes = await pipeline.ask("INFO", "replication")
    said = dict(line.split(":", 1) for line in lines.decode().splitlines() if ":" in line)
    if said.get("role") != "master":
        raise NotPrimaryError("the server is a replica")
    return said["master_replid"][:_LETTERS]
