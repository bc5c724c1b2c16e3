"""What a PostgreSQL data directory says of itself, whether its server runs or not."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local import engines

_WITHIN_S = 10


@dataclass(frozen=True)
class Control:
    """`cluster` is what a primary and its replicas share. `timeline` goes up with every promotion. `replayed` is a
    place in the log that a replica has surely come to; 0 for a primary."""

    cluster: int
    timeline: int
    replayed: int


def read(data: Path) -> Control:
    """What is in the control file. Raises subprocess.CalledProcessError where it cannot be read."""
    command = [str(engines.postgres("pg_controldata")), "-D", str(data)]
    text = subprocess.run(
        command, env={"LC_ALL": "C"}, capture_output=True, text=True, check=True, timeout=_WITHIN_S
    ).stdout
    fields = dict(re.findall(r"^([^:]+): +(.*)$", text, re.MULTILINE))
    return Control(
        cluster=int(fields["Database system identifier"]),
        # Until the first checkpoint after a promotion, only the second one tells of it.
        timeline=max(int(fields["Latest checkpoint's TimeLineID"]), int(fields["Min recovery ending loc's timeline"])),
        replayed=lsn(fields["Minimum recovery ending location"]),
    )


def is_standby(data: Path) -> bool:
    """Whether the server of this data follows another one, or will when it is started."""
    return (data / "standby.signal").exists()


def lsn(text: str) -> int:
    """A place in the log from its text, say 0/16B3748."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)
