"""Renders the gateway's configuration: python -m deploy.gateway.render --help"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
HEALTH_LUA = HERE / "health.lua"
_TEMPLATE = HERE / "envoy.yaml.tmpl"
# The services, with their default ports.
_SERVICES = {"profile": 50051, "inventory": 50052, "leaderboard": 50053, "gamelog": 50054}


Address = tuple[str, int]  # host, port


def render(values: Mapping[str, str | int], replicas: Mapping[str, Sequence[Address]] | None = None) -> str:
    """The configuration with every placeholder replaced. Raises KeyError for one without a value.

    `replicas`: the addresses of a service (PROFILE, INVENTORY, LEADERBOARD, GAMELOG) that has several, where no
    one name stands for all of them. They take the place of its HOST and PORT in `values`.
    """
    lines = []
    for line in _TEMPLATE.read_text().splitlines(keepends=True):
        several = next((name for name in replicas or {} if f"${{{name}_HOST}}" in line), None)
        addresses = (replicas or {}).get(several or "", ())
        if several is None:
            lines.append(_filled(line, values))
        for host, port in addresses:
            lines.append(_filled(line, {**values, f"{several}_HOST": host, f"{several}_PORT": port}))
    return "".join(lines)


def _filled(line: str, values: Mapping[str, str | int]) -> str:
    # A JSON string without its quotes: what may stand between quotes in YAML, whatever the path.
    return Template(line).substitute({name: json.dumps(str(value))[1:-1] for name, value in values.items()})


def main() -> int:
    """Reads the command line and prints the configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.gateway.render",
        description="Prints Envoy's configuration for Savepoint's gateway.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where game servers call")
    parser.add_argument("--metrics-listen", default="127.0.0.1:9464", metavar="HOST:PORT", help="/metrics and /ready")
    for name, default in _SERVICES.items():
        parser.add_argument(
            f"--{name}",
            nargs="+",
            default=[f"127.0.0.1:{default}"],
            metavar="HOST:PORT",
            help=f"the {name} service: a name that stands for all of its replicas, or the address of each",
        )
    parser.add_argument("--admin-socket", default="/tmp/savepoint-gateway.sock", metavar="PATH", help="Envoy's admin")  # noqa: S108
    parser.add_argument("--health-lua", default=str(HEALTH_LUA), metavar="PATH", help="the health route's script")
    given = parser.parse_args()
    values: dict[str, str | int] = {"ADMIN_SOCKET": given.admin_socket, "HEALTH_LUA": given.health_lua}
    for name, listen in (("GATEWAY", given.listen), ("METRICS", given.metrics_listen)):
        values[f"{name}_HOST"], values[f"{name}_PORT"] = _address(parser, listen)
    replicas = {name.upper(): [_address(parser, each) for each in getattr(given, name)] for name in _SERVICES}
    sys.stdout.write(render(values, replicas))
    return 0


def _address(parser: argparse.ArgumentParser, given: str) -> Address:
    host, _, port = given.rpartition(":")
    if not host or not port.isdigit():
        parser.error(f"{given!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
