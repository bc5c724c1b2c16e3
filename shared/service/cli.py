"""`python -m services.<name> serve | health | settings | migrate`: the same for every service with a database that
has to be made ready; the others have no `migrate`."""

import argparse
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from shared import __version__
from shared.rpc.probe import NotServingError, probe
from shared.service.hosted import Build
from shared.service.serve import StartError, serve
from shared.service.settings import PostgresSettings, ServiceSettings, SettingsError, load
from shared.stores.errors import MigrationError
from shared.work.background import BackgroundError
from shared.work.bounds import MIGRATE_WITHIN_S

S = TypeVar("S", bound=ServiceSettings)


# Brings what a service keeps its data in to this version, within so many seconds. Returns what was done.
Migrate = Callable[[S, float], Coroutine[Any, Any, str]]


def main(name: str, kind: type[S], build: Build[S], migrate: Migrate[S] | Path | None = None) -> None:
    """Does what the command line says and exits: 0, or 1 with a line on stderr that says why.

    `migrate` is the service's own folder where it keeps SQL: its migrations are in folders called `migrations`, in it
    or in its areas. Without it there is no such command."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}", description=f"Savepoint's {name} service.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the service until SIGTERM; settings come from the environment")
    commands.add_parser("health", help="exit 0 if the service at LISTEN is SERVING")
    commands.add_parser("settings", help="list the settings with what they take and their defaults")
    if migrate:
        migration = commands.add_parser("migrate", help="bring the service's database to this version, then exit")
        migration.add_argument(
            "--within",
            type=float,
            default=MIGRATE_WITHIN_S,
            metavar="S",
            help="seconds it may take; the default is %(default)s",
        )
    arguments = parser.parse_args()
    command = arguments.command
    try:
        if command == "serve":
            uvloop.run(serve(name, load(kind), build))
        elif command == "health":
            settings = load(kind)
            probe(settings.listen, settings.tls_certificate, settings.tls_key)
        elif command == "settings":
            print(_settings_table(kind))
        elif migrate:
            print(_migrated(kind, migrate, arguments.within) or "nothing to migrate: the database is at this version")
    except (SettingsError, StartError, BackgroundError, MigrationError, NotServingError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _migrated(kind: type[S], how: Migrate[S] | Path, within_s: float) -> str:
    if not isinstance(how, Path):
        return uvloop.run(how(load(kind), within_s))
    # Imported here, so that a service without PostgreSQL does not load its driver, which takes 10 MB.
    from shared.stores.postgres.dialect import dialect_of
    from shared.stores.postgres.migrations import migrate

    settings = load(PostgresSettings)
    wait_s, dialect = load(kind).store_start_timeout_s, dialect_of(settings.database_type)
    return uvloop.run(migrate(settings.database_url, how, wait_s, within_s, dialect))


def _settings_table(kind: type[ServiceSettings]) -> str:
    rows = [
        (name.upper(), "required" if field.is_required() else repr(field.default), field.description or "")
        for name, field in kind.model_fields.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {default:<{widths[1]}}  {text}" for name, default, text in rows)
