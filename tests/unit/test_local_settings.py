"""The embedded stack's settings: which processes and ports come of them, and which cannot work."""

import pytest

from deploy.local import capacity, ports
from deploy.local.ports import PortError
from deploy.local.settings import Replica, StackSettings
from shared.service.settings import SettingsError


def settings(**given: int) -> StackSettings:
    return StackSettings.model_validate(given)


def test_a_service_of_one_process_has_its_own_name_and_port() -> None:
    assert settings().replicas_of("profile") == (Replica("profile", 50051, 9461),)
    assert settings().ports()["PROFILE_PORT"] == (50051,)


def test_each_replica_has_a_name_and_ports_of_its_own() -> None:
    made = settings(replicas=3, profile_port=6000)
    assert made.replicas_of("profile") == (
        Replica("profile-1", 6000, 9461),
        Replica("profile-2", 6010, 9471),
        Replica("profile-3", 6020, 9481),
    )
    assert made.ports()["PROFILE_PORT"] == (6000, 6010, 6020)
    assert made.ports()["SAVEPOINT_PORT"] == (8080,)


def test_two_parts_never_share_a_port() -> None:
    made = settings(replicas=2, profile_port=6000, inventory_port=6010)
    with pytest.raises(PortError, match="PROFILE_PORT and INVENTORY_PORT are the same port, 6010"):
        ports.check(made.ports())


def test_a_replica_s_port_beyond_the_highest_is_named_with_the_way_out() -> None:
    beyond = settings(replicas=2, profile_port=65530).ports()["PROFILE_PORT"][1:]
    with pytest.raises(PortError, match=r"port 65540 cannot be used .* PROFILE_PORT="):
        ports.check({"PROFILE_PORT": beyond})


def test_all_ports_of_a_stack_on_free_ports_are_free() -> None:
    made = StackSettings.on_free_ports(replicas=4)
    assert made.replicas == 4
    ports.check(made.ports())


@pytest.mark.parametrize(("replicas", "size"), [(1, 100), (5, 20), (9, 11)])
def test_connections_that_fit_are_taken(replicas: int, size: int) -> None:
    capacity.check(settings(replicas=replicas, connection_pool_size=size))


@pytest.mark.parametrize(("replicas", "size"), [(2, 51), (6, 20), (9, 12)])
def test_connections_that_do_not_fit_are_refused(replicas: int, size: int) -> None:
    with pytest.raises(SettingsError, match=f"REPLICAS={replicas} with CONNECTION_POOL_SIZE={size} may open"):
        capacity.check(settings(replicas=replicas, connection_pool_size=size))
