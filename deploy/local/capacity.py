"""Whether PostgreSQL has room for the connections of all the services' processes."""

from deploy.local.servers.postgres import DATABASES, MAX_CONNECTIONS
from deploy.local.settings import StackSettings
from shared.service.settings import SettingsError

# For people, migrations and backups.
_KEPT_FREE = 20


def check(settings: StackSettings) -> None:
    """Raises SettingsError where REPLICAS and CONNECTION_POOL_SIZE ask for too many."""
    room = MAX_CONNECTIONS - _KEPT_FREE
    wanted = settings.replicas * len(DATABASES) * settings.connection_pool_size
    if wanted > room:
        raise SettingsError(
            f"REPLICAS={settings.replicas} with CONNECTION_POOL_SIZE={settings.connection_pool_size} may open {wanted} "
            f"connections to PostgreSQL, which takes {room} from the services: lower one of the two"
        )
