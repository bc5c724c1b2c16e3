"""python -m deploy.local up | down | status"""

import argparse
import os
import sys

from deploy.local import capacity, down, status, up
from deploy.local.settings import StackSettings
from shared.service.settings import SettingsError, load

_EXIT_CODES = """
exit codes: 0 done; 1 could not be done, and why; 2 not understood, or a setting that cannot work;
3 status: not everything is SERVING; 4 up: it was running already (with --detach that is 0)
"""


def main() -> int:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Runs the whole of Savepoint on this machine: PostgreSQL, Valkey, the services, the gateway.",
        epilog="\n".join(["settings (environment):", *_settings(), _EXIT_CODES]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up | down | status")
    start = commands.add_parser("up", help="start everything and watch over it, until Ctrl-C")
    start.add_argument("--detach", action="store_true", help="return when everything is SERVING, and leave it running")
    start.add_argument("--replicas", metavar="N", help="so many processes of each service; the setting REPLICAS")
    commands.add_parser("down", help="stop everything")
    look = commands.add_parser("status", help="show every part")
    look.add_argument("--json", action="store_true", help="as a JSON object")
    given = parser.parse_args()
    if given.command == "up" and given.replicas is not None:
        os.environ["REPLICAS"] = given.replicas
    try:
        settings = load(StackSettings)
        if given.command == "up":
            capacity.check(settings)
    except SettingsError as invalid:
        print(invalid, file=sys.stderr)
        return 2
    if given.command == "up":
        return up.detached(settings) if given.detach else up.foreground(settings)
    if given.command == "down":
        return down.down(settings)
    return status.show(settings, given.json)


def _settings() -> list[str]:
    return [f"  {name.upper():<25} {field.description}" for name, field in StackSettings.model_fields.items()]


if __name__ == "__main__":
    sys.exit(main())
