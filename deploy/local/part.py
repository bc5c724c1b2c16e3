"""What the supervisor needs to know of a part of the stack."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy.local.layout import Layout


class PartFailedError(Exception):
    """A part cannot start. `log` is where it said why, if it said anything."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Command:
    """A program to run; `setpriv` are further options of setpriv: which rights it gives up before it starts."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    setpriv: tuple[str, ...] = ()
    stdin: str = ""


class Part(ABC):
    """One process (with its children) of the stack."""

    name: str
    engine: str
    version: str
    address: str
    needs: tuple[str, ...] = ()
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    def log(self) -> Path:
        """Where the part's output goes."""
        return self.layout.log(self.name)

    async def prepare(self) -> None:
        """What is to be done once per start of the stack, when all that the part needs is up."""
        return

    async def clear(self) -> None:
        """What is to be done before each start of the process."""
        return

    async def settle(self) -> None:
        """What is to be done once per start of the stack, when the process serves, before the part counts as up. Raises
        PartFailedError."""
        return

    @abstractmethod
    def command(self) -> Command:
        """How to start it."""

    async def remark(self) -> str:
        """What `status` says of it beside its health, if anything. Bounded likewise."""
        return ""

    @abstractmethod
    async def serving(self) -> bool:
        """Whether it does its work now. Bounded to about a second; never raises because the part is down."""
