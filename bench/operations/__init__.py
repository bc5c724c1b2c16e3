"""The calls that are measured, each with what tells its own answer from any other.

A call that must be new each time (a request_id) has one from the generator. Whatever else a call names is picked at
random over all that was seeded, and none is asked for a second time before all that were picked have been.
"""

from bench.operations.boards import batch_submit_scores, get_entry, list_around, list_top, submit_score
from bench.operations.items import consume_item, grant_item, list_items
from bench.operations.matches import record_match
from bench.operations.mixture import empty, everything, of_service
from bench.operations.players import batch_apply_progress, batch_get_players, get_player, update_player
from bench.operations.wallets import WRITES_SQL, adjust_coins, transfer_coins

__all__ = [
    "WRITES_SQL",
    "adjust_coins",
    "batch_apply_progress",
    "batch_get_players",
    "batch_submit_scores",
    "consume_item",
    "empty",
    "everything",
    "get_entry",
    "get_player",
    "grant_item",
    "list_around",
    "list_items",
    "list_top",
    "of_service",
    "record_match",
    "submit_score",
    "transfer_coins",
    "update_player",
]
