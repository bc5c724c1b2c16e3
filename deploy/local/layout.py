"""Where in the data directory the stack keeps what."""

import hashlib
import os
import pwd
import tempfile
from dataclasses import dataclass
from pathlib import Path

# sockaddr_un holds 107 bytes of path; the socket of PostgreSQL's replica has the longest name of ours.
_SOCKET_PATH_BYTES = 107
_LONGEST_SOCKET = Path("postgres-replica") / ".s.PGSQL.5432"


@dataclass(frozen=True)
class Layout:
    """The paths of one stack; `data` is absolute, and `run` holds its Unix sockets."""

    data: Path
    run: Path

    @classmethod
    def of(cls, data: Path) -> "Layout":
        """The layout for this data directory, with a short directory for the sockets where the path is a long one."""
        data = data.resolve()
        run = data / "run"
        if len(os.fsencode(run / _LONGEST_SOCKET)) > _SOCKET_PATH_BYTES:
            digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
            run = Path(tempfile.gettempdir()) / f"savepoint-{os.getuid()}-{digest}"
        return cls(data, run)

    @property
    def logs(self) -> Path:
        """One log file a part."""
        return self.data / "logs"

    @property
    def state(self) -> Path:
        """What is running, for `status` and `down`."""
        return self.data / "state.json"

    @property
    def lock(self) -> Path:
        """Locked for as long as a supervisor lives."""
        return self.data / "lock"

    def log(self, part: str) -> Path:
        """The log file of this part."""
        return self.logs / f"{part}.log"

    def make(self) -> None:
        """Makes the directories. Raises PermissionError when one of them is another user's.

        What is in them is private; they can be passed through, since under root PostgreSQL runs as another user.
        """
        for directory, mode in ((self.data, 0o711), (self.run, 0o711), (self.logs, 0o700)):
            directory.mkdir(mode=mode, parents=True, exist_ok=True)
            owner = directory.stat(follow_symlinks=False).st_uid
            if owner != os.getuid():
                raise PermissionError(
                    f"{directory} belongs to user {_name(owner)}: start Savepoint as that user, "
                    "or choose another directory with SAVEPOINT_DATA="
                )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
