"""The embedded stack's settings, from the environment. The defaults are what README and the demo speak of."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.local import groups, ports

CHECKOUT = Path(__file__).resolve().parents[2]
_TAKES = "takes a TCP port, 1 to 65535, for "
# From the port of a service's first process to that of its second, and so on: 50051, 50061, 50071.
_PORT_STEP = 10


@dataclass(frozen=True)
class Replica:
    """One process of a service. `name` is the service's own where there is only one of it, else ends in -1, -2, …"""

    name: str
    port: int
    metrics_port: int


class StackSettings(BaseSettings):
    """Where the parts listen and where the data is kept. A description completes an error message."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    savepoint_port: int = Field(8080, ge=1, le=65535, description=_TAKES + "the gateway, which game servers call")
    profile_port: int = Field(50051, ge=1, le=65535, description=_TAKES + "the profile service")
    inventory_port: int = Field(50052, ge=1, le=65535, description=_TAKES + "the inventory service")
    leaderboard_port: int = Field(50053, ge=1, le=65535, description=_TAKES + "the leaderboard service")
    gamelog_port: int = Field(50054, ge=1, le=65535, description=_TAKES + "the game log service")
    profile_metrics_port: int = Field(9461, ge=1, le=65535, description=_TAKES + "profile's metrics")
    inventory_metrics_port: int = Field(9462, ge=1, le=65535, description=_TAKES + "inventory's metrics")
    leaderboard_metrics_port: int = Field(9463, ge=1, le=65535, description=_TAKES + "leaderboard's metrics")
    gamelog_metrics_port: int = Field(9465, ge=1, le=65535, description=_TAKES + "the game log's metrics")
    gateway_metrics_port: int = Field(9464, ge=1, le=65535, description=_TAKES + "the gateway's metrics")
    ranks_port: int = Field(
        6390,
        ge=1,
        le=65535,
        description=_TAKES
        + "the boards' first server, unless there is only one, which has none; the others, sentinels "
        "and the ports on which nodes of a cluster talk lie up to 15 above",
    )
    cache_port: int = Field(6420, ge=1, le=65535, description=_TAKES + "the player cache's first server, likewise")
    dynamodb_port: int = Field(
        8000, ge=1, le=65535, description=_TAKES + "DynamoDB Local, where it keeps the leaderboards"
    )
    mongodb_port: int = Field(27017, ge=1, le=65535, description=_TAKES + "MongoDB, with GAMELOG_DATABASE_TYPE=mongodb")
    savepoint_data: Path = Field(CHECKOUT / ".savepoint", description="takes a directory for data, logs and sockets")
    replicas: int = Field(
        1,
        ge=1,
        le=9,
        description="takes 1 to 9 processes of each service; the ports of each lie 10 above those of the one before",
    )
    replication_mode: str = Field(
        "single",
        pattern="^(single|replica|cluster)$",
        description="takes single, replica (a standby beside PostgreSQL, the boards under Sentinel) or cluster "
        "(PostgreSQL by several hosts, the boards in a cluster of three shards)",
    )
    cache_replication_mode: str = Field(
        "single",
        pattern="^(single|replica|cluster)$",
        description="takes single, replica (the player cache under Sentinel) or cluster",
    )
    synchronous_replication: bool = Field(
        False,
        description="takes true or false, for replica and cluster: whether PostgreSQL answers a commit only when its "
        "replica has it too; then nothing is lost with the primary, and nothing is written while the replica is down",
    )
    leaderboard_database_type: str = Field(
        "valkey", pattern="^(valkey|dynamodb)$", description="takes valkey or dynamodb, where the boards are kept"
    )
    gamelog_database_type: str = Field(
        "postgresql",
        pattern="^(postgresql|mongodb)$",
        description="takes postgresql or mongodb, where the game log is kept",
    )
    # The services read it themselves. The stack has to know how many connections it starts.
    connection_pool_size: int = Field(
        20, ge=5, le=100, description="takes 5 to 100 connections to PostgreSQL for each process of a service"
    )

    @classmethod
    def on_free_ports(cls, replicas: int = 1, **others: str) -> "StackSettings":
        """The settings of a stack whose every port is free now, and whose data lies elsewhere."""
        variables = cls.port_variables()
        modes = (others.get("replication_mode"), others.get("cache_replication_mode"))
        above = {_PORT_STEP * n for n in range(1, replicas)}.union(
            *(groups.PORTS.get(mode or "", ()) for mode in modes)
        )
        free = ports.free(len(variables), sorted(above - {0}))
        chosen = {name.lower(): port for name, port in zip(variables, free, strict=True)}
        return cls.model_validate({**chosen, **others, "replicas": replicas})

    @property
    def ranks_mode(self) -> str:
        """How many Valkeys the boards are kept on; "" for none."""
        return self.replication_mode if self.leaderboard_database_type == "valkey" else ""

    @classmethod
    def port_variables(cls) -> list[str]:
        """The variables that move a port."""
        return [name.upper() for name in cls.model_fields if name.endswith("_port")]

    def ports(self) -> dict[str, tuple[int, ...]]:
        """Every TCP port of the stack under the name of the variable that moves it."""
        single = ("SAVEPOINT_PORT", "GATEWAY_METRICS_PORT", "DYNAMODB_PORT", "MONGODB_PORT")
        of_groups = {"RANKS_PORT": self.ranks_mode, "CACHE_PORT": self.cache_replication_mode}
        unused = set(of_groups)
        if self.leaderboard_database_type != "dynamodb":
            unused.add("DYNAMODB_PORT")
        if self.gamelog_database_type != "mongodb":
            unused.add("MONGODB_PORT")
        return {
            name: self._ports(name.lower(), 1 if name in single else self.replicas)
            for name in self.port_variables()
            if name not in unused
        } | {
            name: tuple(getattr(self, name.lower()) + n for n in groups.PORTS[mode])
            for name, mode in of_groups.items()
            if mode in groups.PORTS
        }

    def replicas_of(self, service: str) -> tuple[Replica, ...]:
        """The processes of `profile`, `inventory`, `leaderboard` or `gamelog`."""
        names = (service,) if self.replicas == 1 else tuple(f"{service}-{n + 1}" for n in range(self.replicas))
        ports = self._ports(f"{service}_port", self.replicas)
        metrics_ports = self._ports(f"{service}_metrics_port", self.replicas)
        return tuple(map(Replica, names, ports, metrics_ports))

    def _ports(self, variable: str, count: int) -> tuple[int, ...]:
        return tuple(getattr(self, variable) + _PORT_STEP * n for n in range(count))
