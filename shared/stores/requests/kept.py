"""How the answer to a request is kept, and how the records of older releases are read.

A record outlives the release that wrote it: whoever repeats a request after an upgrade gets the first answer. So a
record has the version of its answer's JSON, and there is a function for each step from one version to the next:

    KEPT_PLAYER = KeptAnswer(PLAYER)                # version 1, the only one so far
    KEPT_PLAYER = KeptAnswer(PLAYER, with_title)    # version 2; with_title makes one of version 2 from one of version 1

What to do when an answer's dataclass changes, say when Player gets the field `title`: write a function that takes the
JSON of before, as Python's dicts and lists, and returns the JSON of today, with a value for what an older record cannot
know; add it as the last of the arguments; keep a golden file of a record in the new version (tests/fixtures). Never
change the functions that are there already: existing records need them.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.contract.errors import StoreUnavailable
from shared.stores.postgres import STORE

T = TypeVar("T")
Upgrade = Callable[[Any], Any]


def each(upgrade: Upgrade) -> Upgrade:
    """The upgrade of a list whose elements are upgraded so."""
    return lambda answers: [upgrade(answer) for answer in answers]


class KeptAnswer(Generic[T]):
    """The answers of one kind. Version 1 is that of release 0.1; each upgrade makes another one."""

    def __init__(self, kind: TypeAdapter[T], *upgrades: Upgrade) -> None:
        self._kind = kind
        self._upgrades = upgrades
        self.version = 1 + len(upgrades)

    def params(self) -> Mapping[str, Any]:
        """As parameters of the effect's query."""
        return {"answer_version": self.version}

    def read(self, answer: str, version: int | None = None) -> T:
        """The answer from its JSON, which is of today's version unless another is given. Raises StoreUnavailable when a
        newer release wrote it and this one cannot read it: then the replicas are being upgraded, and a newer replica
        can."""
        if version is None or version == self.version:
            return self._kind.validate_json(answer)
        if version > self.version:
            try:
                return self._kind.validate_json(answer)
            except ValidationError as error:
                raise StoreUnavailable(STORE) from error
        content = json.loads(answer)
        for upgrade in self._upgrades[version - 1 :]:
            content = upgrade(content)
        return self._kind.validate_json(json.dumps(content))
