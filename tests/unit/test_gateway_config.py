"""The gateway's one template: both ways of rendering it agree, Envoy accepts it, and it knows every service."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from deploy.gateway.render import HEALTH_LUA, HERE, render
from deploy.local import engines
from deploy.local.settings import CHECKOUT


def values(directory: Path) -> dict[str, str | int]:
    return {
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": 8080,
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": 9464,
        "PROFILE_HOST": "profile",
        "PROFILE_PORT": 50051,
        "INVENTORY_HOST": "inventory",
        "INVENTORY_PORT": 50052,
        "LEADERBOARD_HOST": "leaderboard",
        "LEADERBOARD_PORT": 50053,
        "GAMELOG_HOST": "gamelog",
        "GAMELOG_PORT": 50054,
        "ADMIN_SOCKET": "admin.sock",
        "HEALTH_LUA": str(directory / "health.lua"),
    }


def test_the_containers_shell_renders_what_python_renders(tmp_path: Path) -> None:
    given = values(tmp_path)
    environment = {name: str(value) for name, value in given.items()} | {"PATH": os.environ["PATH"]}
    printed = subprocess.run(
        ["sh", HERE / "entrypoint.sh", "--print"], env=environment, capture_output=True, text=True, check=True
    )
    assert printed.stdout == render(given)


def test_a_placeholder_without_a_value_is_refused(tmp_path: Path) -> None:
    given = values(tmp_path)
    del given["PROFILE_PORT"]
    with pytest.raises(KeyError, match="PROFILE_PORT"):
        render(given)


def test_a_service_may_have_several_addresses(tmp_path: Path) -> None:
    given = values(tmp_path)
    printed = render(given, {"PROFILE": [("10.0.0.1", 50051), ("10.0.0.2", 50061)]})
    lines = [line.strip() for line in printed.splitlines()]
    endpoint = '- endpoint: {address: {socket_address: {address: "%s", port_value: %d}}}'
    first = lines.index(endpoint % ("10.0.0.1", 50051))
    assert lines[first + 1] == endpoint % ("10.0.0.2", 50061)
    assert endpoint % ("profile", 50051) not in lines
    assert endpoint % ("inventory", 50052) in lines
    assert render(given, {}) == render(given)


@pytest.mark.parametrize("directory", ["plain", "with blanks, 'quotes' and \"more\" \\ of $them"])
def test_envoy_accepts_it_wherever_the_checkout_is(tmp_path: Path, directory: str) -> None:
    place = tmp_path / directory
    place.mkdir()
    shutil.copy(HEALTH_LUA, place)
    configuration = tmp_path / "gateway.yaml"
    configuration.write_text(render(values(place)))
    validated = subprocess.run(
        [engines.envoy(), "--mode", "validate", "--log-level", "warning", "--config-path", configuration],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert validated.returncode == 0, validated.stderr
    assert "warning" not in validated.stderr


def test_it_routes_every_package_that_the_protos_know(tmp_path: Path) -> None:
    files = FileDescriptorSet.FromString((CHECKOUT / "protos/gen/savepoint.binpb").read_bytes()).file
    packages = {file.package for file in files if file.service and file.package.startswith("savepoint.")}
    configuration, lua = render(values(tmp_path)), HEALTH_LUA.read_text()
    assert packages
    assert [package for package in packages if f"{{prefix: /{package}., grpc: {{}}}}" not in configuration] == []
    assert [package for package in packages if f'["{package}"]' not in lua] == []


def test_no_route_ends_a_call_sooner_than_its_service_would(tmp_path: Path) -> None:
    routes = (
        render(values(tmp_path)).partition("routes:\n")[2].partition("local_reply_config:")[0].split("- match: ")[1:]
    )
    to_services = [route for route in routes if "cluster" in route]
    assert len(to_services) >= 7
    # Without it, Envoy resets a stream after 15 s.
    assert [route for route in to_services if "timeout: 0s" not in route] == []
    endless = [route for route in to_services if "max_stream_duration: {max_stream_duration: 0s}" in route]
    paths = [re.findall(r"path: \S+/(\w+),", route) for route in endless]
    assert paths == [["AppendEventStream"], ["TailEvents"], ["Watch"]]
