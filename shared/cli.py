"""`python -m services.<name> serve | migrate | health`: the same for every service."""

import argparse
import sys
from pathlib import Path
from typing import TypeVar

import grpc
import uvloop
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared import __version__
from shared.migrations import MigrationError, migrate
from shared.server import Build, StartError, serve
from shared.settings import PostgresSettings, ServiceSettings, SettingsError, load

S = TypeVar("S", bound=ServiceSettings)

_HEALTH_BOUND_S = 3


def main(name: str, kind: type[S], build: Build[S], migrations: Path | None = None) -> None:
    """Does what the command line says and exits: 0, or 1 with a line on stderr that says why."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}", description=f"Savepoint's {name} service.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service until SIGTERM; settings come from the environment")
    commands.add_parser("health", help="exit 0 if the service at LISTEN is SERVING")
    commands.add_parser("settings", help="list the settings with what they take and their defaults")
    if migrations:
        commands.add_parser("migrate", help="bring the database at DATABASE_URL to this version, then exit")
    command = parser.parse_args().command
    try:
        if command == "serve":
            uvloop.run(serve(name, load(kind), build))
        elif command == "health":
            uvloop.run(_health(load(kind).listen))
        elif command == "settings":
            print(_settings_table(kind))
        elif migrations:
            database_url = load(PostgresSettings).database_url
            print(uvloop.run(migrate(database_url, migrations, load(kind).store_start_timeout_s)))
    except (SettingsError, StartError, MigrationError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


async def _health(listen: str) -> None:
    # A container listens on all addresses and is asked from within.
    target = listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    async with aio.insecure_channel(target) as channel:
        try:
            check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_BOUND_S)
        except grpc.RpcError as error:
            raise StartError(f"nothing answers at {target}: {error.code().name}") from error
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise StartError(f"{target} is {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")


def _settings_table(kind: type[ServiceSettings]) -> str:
    rows = [
        (name.upper(), "required" if field.is_required() else repr(field.default), field.description or "")
        for name, field in kind.model_fields.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {default:<{widths[1]}}  {text}" for name, default, text in rows)
