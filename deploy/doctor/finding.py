"""What a look at something has found."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

Figure = int | float | str | None


class Severity(Enum):
    """How bad it is. A problem costs data, answers or time now, or will do so soon; a notice is worth knowing."""

    PROBLEM = "problem"
    NOTICE = "notice"
    OK = "ok"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, under the name of its check. `why` it matters and what to `do` stand where it is
    not fine. `figures` are for programs; the ends of their names are their units: _s, _ms, _bytes, _ratio (0 to 1)."""

    check: str
    severity: Severity
    what: str
    why: str = ""
    do: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Examined:
    """A part that was looked at, such as "PostgreSQL profile", and all that was found about it."""

    part: str
    address: str
    findings: tuple[Finding, ...]


def ok(check: str, what: str, **figures: Figure) -> Finding:
    """All is well."""
    return Finding(check, Severity.OK, what, figures=figures)


def notice(check: str, what: str, why: str, do: str, **figures: Figure) -> Finding:
    """Worth knowing."""
    return Finding(check, Severity.NOTICE, what, why, do, figures)


def problem(check: str, what: str, why: str, do: str, **figures: Figure) -> Finding:
    """To be mended."""
    return Finding(check, Severity.PROBLEM, what, why, do, figures)


def graded(severe: bool) -> Callable[..., Finding]:
    """`problem` where it is severe, else `notice`."""
    return problem if severe else notice


def worst(findings: Iterable[Finding]) -> Severity:
    """The severest there is; OK where there is nothing."""
    found = {finding.severity for finding in findings}
    return next((severity for severity in Severity if severity in found), Severity.OK)
