"""Arrays as PostgreSQL reads them from text: the driver takes several times as long for a list."""

from collections.abc import Iterable
from uuid import UUID


def array(values: Iterable[UUID | int | float]) -> str:
    """An array of ids or numbers. The query says of which type: `%(player_ids)s::uuid[]`."""
    return f"{{{','.join(map(str, values))}}}"
