"""Compose's databases run with the settings of the embedded one."""

from pathlib import Path

import yaml  # type: ignore[import-untyped]

from deploy.local.servers.postgres import TUNED

COMPOSE = Path(__file__).parents[2] / "deploy" / "docker-compose.yml"


def test_both_stacks_tune_their_databases_alike() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    # These are about containers and replicas alone.
    others = ("-chba_file=", "-cmax_slot_wal_keep_size=")
    commands = {
        name: [option for option in service["command"] if not option.startswith(others)]
        for name, service in services.items()
        if name.endswith("-db")
    }
    expected = ["postgres", *(f"-c{name}={value}" for name, value in TUNED.items())]
    assert commands == {"profile-db": expected, "inventory-db": expected, "gamelog-db": expected}
