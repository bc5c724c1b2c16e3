"""The server itself: its version, and settings that must not be otherwise."""

from collections.abc import Mapping
from datetime import date

from deploy.doctor.finding import Finding, notice, ok, problem
from deploy.doctor.postgres.session import Row, Session

_UNITS = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1024**2, "GB": 1024**3, "ms": 0.001, "s": 1, "min": 60}
# https://www.postgresql.org/support/versioning/: the last day of each major version.
_SUPPORTED_UNTIL = {
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
_OLDEST = min(_SUPPORTED_UNTIL)
_WARN_DAYS = 180
# What each must be, and what is at stake.
_MUST = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "track_counts": "on",
}
_WHY = {
    "fsync": "a crash of the machine may leave the database damaged beyond repair",
    "full_page_writes": "a crash while a page is written leaves half of it, and nothing to mend it with",
    "synchronous_commit": "an answer does not mean that a change is on the disk: a crash loses what callers were told",
    "autovacuum": "dead rows are never removed: tables grow, reads slow down, and in the end writes stop",
    "track_counts": "autovacuum does not know where it is needed",
}
# Stricter than on, so as good.
_STRICTER = {"synchronous_commit": ("remote_apply", "remote_write")}


class Settings:
    """The server's settings, as they hold for this user in this database."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows: Mapping[str, Row] = {row["name"]: row for row in rows}

    @property
    def waiting_for_restart(self) -> list[str]:
        """Those that were changed and do not hold yet."""
        return [name for name, row in self._rows.items() if row["pending_restart"]]

    def text(self, name: str) -> str:
        """A setting as it is written; empty where this version has no such one."""
        return str(self._rows[name]["setting"]) if name in self._rows else ""

    def number(self, name: str, without: float = 0) -> float:
        """A setting in bytes, seconds, or plain; `without` where this version has no such one."""
        row = self._rows.get(name)
        return without if row is None else float(row["setting"]) * _UNITS.get(row["unit"] or "", 1)


async def settings_of(session: Session) -> Settings:
    """Read once for all checks."""
    return Settings(await session.rows("settings"))


def settings(found: Settings) -> list[Finding]:
    """Those that decide whether what was answered is kept."""
    wrong = [
        problem(
            "settings", f"{name} is {found.text(name)}", _WHY[name], f"set {name} = {must} and reload", setting=name
        )
        for name, must in _MUST.items()
        if found.text(name) not in (must, *_STRICTER.get(name, ()))
    ]
    if late := found.waiting_for_restart:
        wrong.append(
            notice(
                "settings",
                f"{', '.join(late)} changed and wait{'s' if len(late) == 1 else ''} for a restart",
                "what the configuration says is not what holds",
                "restart PostgreSQL at a quiet time",
            )
        )
    return wrong or [ok("settings", "; ".join(f"{name} {found.text(name)}" for name in _MUST))]


def version(number: int, today: date) -> list[Finding]:
    """Whether the version is one of those that Savepoint runs on, and still gets its mends."""
    major = number // 10_000
    what = f"PostgreSQL {major}.{number % 10_000}"
    if major < _OLDEST:
        why = f"Savepoint runs on {_OLDEST} and newer, and its makers mend no bugs of this version any more"
        return [problem("version", what, why, "pg_upgrade to a newer version", version=number)]
    until = _SUPPORTED_UNTIL.get(major)
    if until is None:
        return [ok("version", what, version=number)]
    left = (until - today).days
    if left >= _WARN_DAYS:
        return [ok("version", f"{what}, supported until {until}", version=number)]
    found = problem if left < 0 else notice
    why = "bugs and holes that are found after that day are not mended"
    what = f"{what} {'was' if left < 0 else 'is'} supported until {until}"
    return [found("version", what, why, "pg_upgrade to a newer version", version=number, left_days=left)]
