"""The ledger of 0.1, upgraded: a transfer's entries have its id and name each other's player."""

import shutil
import uuid
from pathlib import Path

import psycopg

from deploy.local.stores import Stores
from shared.stores.postgres.migrations import migrate
from tests.support.service import ROOT

PROFILE = ROOT / "services" / "profile"
ENTRY = """
INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, reference, request_id)
VALUES (%s, %s, 10, %s, 'test', %s, gen_random_uuid())
"""


async def test_entries_of_transfers_are_upgraded(stores: Stores, tmp_path: Path) -> None:
    database = f"ledger_{uuid.uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(stores.postgres_url("profile"), autocommit=True) as server:
        await server.execute(f'CREATE DATABASE "{database}"')
    url = stores.postgres_url(database)
    (tmp_path / "migrations").mkdir()
    shutil.copy(PROFILE / "migrations" / "0001_initial.sql", tmp_path / "migrations")
    await migrate(url, tmp_path, 10)
    one, two, gone = (uuid.uuid4() for _ in range(3))
    moved, half = uuid.uuid4(), uuid.uuid4()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as upgraded:
        for player_id in (one, two, gone):
            name = player_id.hex
            await upgraded.execute(
                "INSERT INTO players (player_id, username, email) VALUES (%s, %s, %s)",
                (player_id, name, f"{name}@example.com"),
            )
        for player_id, delta, kind, reference in (
            (one, 9, "ADJUSTMENT", ""),
            # A caller's own reference may look like a transfer's.
            (two, 9, "ADJUSTMENT", str(moved)),
            (one, -5, "TRANSFER_OUT", str(moved)),
            (two, 5, "TRANSFER_IN", str(moved)),
            (gone, -1, "TRANSFER_OUT", str(half)),
            (two, 1, "TRANSFER_IN", str(half)),
        ):
            await upgraded.execute(ENTRY, (player_id, delta, kind, reference))
        await upgraded.execute("DELETE FROM players WHERE player_id = %s", (gone,))
        await migrate(url, PROFILE, 10)
        rows = await upgraded.execute(
            "SELECT delta, reference, transfer_id, counterparty_player_id FROM wallet_ledger ORDER BY entry_id"
        )
        assert await rows.fetchall() == [
            (9, "", None, None),
            (9, str(moved), None, None),
            (-5, str(moved), moved, two),
            (5, str(moved), moved, one),
            # Whose other end went with its player.
            (1, str(half), half, None),
        ]
