"""The machine that an embedded stack runs on: the room on the disk of its data."""

import shutil
from pathlib import Path

from deploy.doctor.finding import Examined, graded, ok
from deploy.doctor.limits import Limits
from deploy.doctor.text import percent, size


def examine(data: Path, limits: Limits) -> Examined:
    """What is found about it."""
    disk = shutil.disk_usage(data)
    ratio = disk.free / disk.total
    what = f"{size(disk.free)} of {size(disk.total)} are free ({percent(ratio)})"
    figures = {"free_bytes": disk.free, "free_ratio": round(ratio, 4)}
    if disk.free >= limits.disk_notice_bytes:
        return Examined("machine", str(data), (ok("disk", what, **figures),))
    why = "when the disk is full, PostgreSQL and the boards take no more writes"
    do = "make room, or move the data to a larger disk"
    found = graded(disk.free < limits.disk_problem_bytes)("disk", what, why, do, **figures)
    return Examined("machine", str(data), (found,))
