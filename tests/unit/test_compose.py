"""The compose files: each set-up that deploy/README.md names gives its services settings that they take."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from services.gamelog.settings import GameLogSettings
from services.inventory.settings import InventorySettings
from services.leaderboard.settings import LeaderboardSettings
from services.profile.settings import ProfileSettings
from shared.service.settings import ServiceSettings, load

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = "docker-compose.yml"
SET_UPS = [
    (),
    ("replica.yml",),
    ("cluster.yml",),
    ("pgbouncer.yml",),
    ("valkey-sentinel.yml",),
    ("valkey-cluster.yml",),
    ("dynamodb.yml",),
    ("dynamodb.yml", "dynamodb-local.yml"),
    ("replica.yml", "valkey-sentinel.yml"),
    ("cluster.yml", "valkey-cluster.yml"),
]
KINDS: Mapping[str, type[ServiceSettings]] = {
    "profile": ProfileSettings,
    "inventory": InventorySettings,
    "leaderboard": LeaderboardSettings,
    "gamelog": GameLogSettings,
}
# What a library of a service reads by itself.
READ_BY_AWS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
# For a variable, its name and what it is where nobody sets it.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+):-([^}]*)\}")


class Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with compose's own tag: a value takes the place of the one before, and does not join it."""


Loader.add_constructor(
    "!override",
    lambda loader, node: (
        loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.MappingNode)
        else loader.construct_sequence(node, deep=True)
    ),
)


def read(name: str) -> dict[str, Any]:
    path = DEPLOY / name if name == BASE else DEPLOY / "compose" / name
    found: dict[str, Any] = yaml.load(path.read_text(), Loader)  # noqa: S506 # it is a SafeLoader
    return found


def environments(names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """By container, what the files together give it, where no variable is set."""
    files = [read(BASE), *map(read, names)]
    found: dict[str, dict[str, str | None]] = {}
    for file in files:
        for container, service in file["services"].items():
            if extended := service.get("extends"):
                found.setdefault(container, dict(found[extended["service"]]))
            environment = found.setdefault(container, {})
            for variable, value in service.get("environment", {}).items():
                environment[variable] = None if value is None else VARIABLE.sub(r"\2", str(value))
    return found


def test_every_file_is_part_of_a_set_up() -> None:
    files = {path.name for path in (DEPLOY / "compose").glob("*.yml")}
    assert files == {name for names in SET_UPS for name in names}


@pytest.mark.parametrize("names", SET_UPS, ids=lambda names: "+".join(names) or "alone")
def test_each_service_takes_the_settings_that_it_is_given(
    names: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    for container, environment in environments(names).items():
        kind = KINDS.get(container.removesuffix("-migrate"))
        if kind is None:
            continue
        looked_at.append(container)
        unknown = {name for name in environment if name.lower() not in kind.model_fields} - READ_BY_AWS
        assert not unknown, container
        with monkeypatch.context() as only:
            for name in [name.upper() for each in KINDS.values() for name in each.model_fields]:
                only.delenv(name, raising=False)
            for name, value in environment.items():
                if value is not None:
                    only.setenv(name, value)
            load(kind)
    assert set(looked_at) >= set(KINDS)


def test_the_example_of_an_env_file_has_every_variable_with_its_default() -> None:
    example = dict(re.findall(r"^#?(\w+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    used: dict[str, str] = {}
    for path in (DEPLOY / BASE, *(DEPLOY / "compose").glob("*.yml")):
        for name, default in VARIABLE.findall(path.read_text()):
            # Where a part is left out unless somebody sets the variable, the default is empty.
            used[name] = used.get(name) or default
            assert default in ("", used[name]), f"{name} has two defaults"
    assert {name: example.get(name) for name in used} == used


@pytest.mark.parametrize("names", SET_UPS, ids=lambda names: "+".join(names) or "alone")
def test_what_a_file_mounts_is_there(names: Sequence[str]) -> None:
    for file in (read(BASE), *map(read, names)):
        for mounted in file.get("configs", {}).values():
            assert (DEPLOY / mounted["file"]).is_file()
        for service in file["services"].values():
            build = service.get("build")
            if build:
                assert (DEPLOY / build["context"] / build.get("dockerfile", "Dockerfile")).is_file()
