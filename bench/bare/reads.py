"""The pgbench scripts of the reads: the services' own queries, taken from their files when they are needed."""

from pathlib import Path

from deploy.local.settings import CHECKOUT
from shared.stores.postgres import queries
from shared.stores.postgres.dialect import POSTGRESQL

_SERVICES = CHECKOUT / "services"
_PIECES = CHECKOUT / "shared" / "stores" / "requests" / "pieces.sql"
_PICK = "\\set n random(0, :players - 1)\n"
# File, query, and what stands for its parameters.
_READS = {
    "get_player": (
        Path("profile/players/queries.sql"),
        "batch_get_players",
        {"player_ids": "ARRAY[bench_player(:n)]"},
    ),
    "list_items": (
        Path("inventory/items/queries.sql"),
        "list_items",
        {"player_id": "bench_player(:n)", "after_type": "''", "after_id": "''", "limit": "21"},
    ),
}


def script(name: str) -> str | None:
    """The script of a read; None where it is none. Raises KeyError when its query is not in its file any more."""
    if name not in _READS:
        return None
    file, query, values = _READS[name]
    pieces = queries.load_pieces(_PIECES) | queries.load_pieces(_SERVICES / file.with_name("pieces.sql"))
    sql = queries.load(_SERVICES / file, pieces).of(POSTGRESQL)[query].sql
    for parameter, value in values.items():
        sql = sql.replace(f"%({parameter})s", value)
    if "%(" in sql:
        raise KeyError(f"{file}: {query} has other parameters than {', '.join(values)}")
    return f"{_PICK}{sql}\n"
