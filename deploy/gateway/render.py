"""Renders the gateway's configuration: python -m deploy.gateway.render --help"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
HEALTH_LUA = HERE / "health.lua"
_TEMPLATE = HERE / "envoy.yaml.tmpl"


def render(values: Mapping[str, str | int]) -> str:
    """The configuration with every placeholder replaced. Raises KeyError for one without a value."""
    # A JSON string without its quotes: what may stand between quotes in YAML, whatever the path.
    return Template(_TEMPLATE.read_text()).substitute(
        {name: json.dumps(str(value))[1:-1] for name, value in values.items()}
    )


def main() -> int:
    """Reads the command line and prints the configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.gateway.render",
        description="Prints Envoy's configuration for Savepoint's gateway.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="HOST:PORT", help="where game servers call")
    parser.add_argument("--metrics-listen", default="127.0.0.1:9464", metavar="HOST:PORT", help="/metrics and /ready")
    parser.add_argument("--profile", default="127.0.0.1:50051", metavar="HOST:PORT", help="the profile service")
    parser.add_argument("--inventory", default="127.0.0.1:50052", metavar="HOST:PORT", help="the inventory service")
    parser.add_argument("--leaderboard", default="127.0.0.1:50053", metavar="HOST:PORT", help="the leaderboard service")
    parser.add_argument("--admin-socket", default="/tmp/savepoint-gateway.sock", metavar="PATH", help="Envoy's admin")  # noqa: S108
    parser.add_argument("--health-lua", default=str(HEALTH_LUA), metavar="PATH", help="the health route's script")
    given = parser.parse_args()
    values: dict[str, str | int] = {"ADMIN_SOCKET": given.admin_socket, "HEALTH_LUA": given.health_lua}
    for name, address in (
        ("GATEWAY", given.listen),
        ("METRICS", given.metrics_listen),
        ("PROFILE", given.profile),
        ("INVENTORY", given.inventory),
        ("LEADERBOARD", given.leaderboard),
    ):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            parser.error(f"{address!r} is not HOST:PORT")
        values |= {f"{name}_HOST": host, f"{name}_PORT": int(port)}
    sys.stdout.write(render(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
