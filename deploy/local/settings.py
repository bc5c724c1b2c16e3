"""The embedded stack's settings, from the environment. The defaults are what README and the demo speak of."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

CHECKOUT = Path(__file__).resolve().parents[2]
_TAKES = "takes a TCP port, 1 to 65535, for "


class StackSettings(BaseSettings):
    """Where the parts listen and where the data is kept. A description completes an error message."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    savepoint_port: int = Field(8080, ge=1, le=65535, description=_TAKES + "the gateway, which game servers call")
    profile_port: int = Field(50051, ge=1, le=65535, description=_TAKES + "the profile service")
    inventory_port: int = Field(50052, ge=1, le=65535, description=_TAKES + "the inventory service")
    leaderboard_port: int = Field(50053, ge=1, le=65535, description=_TAKES + "the leaderboard service")
    profile_metrics_port: int = Field(9461, ge=1, le=65535, description=_TAKES + "profile's metrics")
    inventory_metrics_port: int = Field(9462, ge=1, le=65535, description=_TAKES + "inventory's metrics")
    leaderboard_metrics_port: int = Field(9463, ge=1, le=65535, description=_TAKES + "leaderboard's metrics")
    gateway_metrics_port: int = Field(9464, ge=1, le=65535, description=_TAKES + "the gateway's metrics")
    savepoint_data: Path = Field(CHECKOUT / ".savepoint", description="takes a directory for data, logs and sockets")

    @classmethod
    def port_variables(cls) -> list[str]:
        """The variables that move a port."""
        return [name.upper() for name in cls.model_fields if name.endswith("_port")]

    def ports(self) -> dict[str, int]:
        """Every TCP port of the stack under the name of the variable that moves it."""
        return {name: getattr(self, name.lower()) for name in self.port_variables()}
