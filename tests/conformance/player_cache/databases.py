"""Where copies of players are kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from deploy.local import embedded
from tests.conformance.database import Environments
from tests.conformance.valkeys import valkeys_and_redises


def _embedded(mode: str) -> Callable[[Path], AbstractAsyncContextManager[Environments]]:
    """The wheel's own, in this replication mode."""

    @asynccontextmanager
    async def opened(directory: Path) -> AsyncIterator[Environments]:
        async with embedded.stores(directory, cache_replication_mode=mode) as stores:
            yield {"profile": {**stores.sql("profile").settings, **stores.player_cache().settings}}

    return opened


DATABASES = valkeys_and_redises(_embedded)
