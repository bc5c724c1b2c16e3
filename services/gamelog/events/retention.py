"""The background work that lets old events go."""

import asyncio
import logging

from services.gamelog.events.store import EventStore
from shared.contract.errors import SavepointError
from shared.stores.errors import StoreUnfit

_log = logging.getLogger("savepoint.gamelog")

_EVERY_S = 3600
# After a failure.
_AGAIN_S = 60


async def keep_forever(store: EventStore) -> None:
    """Sees to the retention every hour, until cancelled."""
    while True:
        try:
            await store.keep_retention()
            wait_s = _EVERY_S
        except (SavepointError, StoreUnfit) as error:
            _log.warning("old events stay for now: %s", error)
            wait_s = _AGAIN_S
        await asyncio.sleep(wait_s)
