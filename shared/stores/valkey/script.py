"""Lua scripts, and how a call of one goes over the wire."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis

Value = bytes | str | int | float
# Keys and arguments of each call.
ScriptCalls = Sequence[tuple[Sequence[Value], Sequence[Value]]]


class Script:
    """A Lua script, with what logs and metrics say about it. `writes` decides its query_type."""

    def __init__(self, name: str, source: str, table: str, *, writes: bool) -> None:
        self.name = name
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self.table = table
        self.query_type = "update" if writes else "select"

    def by_digest(self, keys: Sequence[Value], args: Sequence[Value]) -> bytes:
        """A call as the server takes it, once it knows the script. Raises TypeError for a value that cannot be sent."""
        return packed(("EVALSHA", self.digest, len(keys), *keys, *args))

    def by_source(self, keys: Sequence[Value], args: Sequence[Value]) -> bytes:
        """Likewise for a server that does not know the script; from then on it does."""
        return packed(("EVAL", self.source, len(keys), *keys, *args))


def load_script(path: Path, table: str, *, writes: bool, first: Path | None = None) -> Script:
    """The script of a file, named after it; with `first`, what that file does comes before."""
    source = "\n".join(each.read_text(encoding="utf-8") for each in (first, path) if each)
    return Script(path.stem, source, table, writes=writes)


def packed(words: Any) -> bytes:
    """A command as it goes over the wire. Raises TypeError for a value that cannot be sent."""
    # Any: the parser's stub says that it takes a tuple of one.
    command: bytes = hiredis.pack_command(words)
    return command
