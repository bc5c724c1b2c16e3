"""REDIS_URL in each mode: which servers it names, and what is refused with what the mode takes."""

import pytest
from redis.asyncio.connection import SSLConnection

from shared.stores.errors import StoreUnfit
from shared.stores.valkey.url import CLUSTER, REPLICA, SINGLE, Address, parse

SENTINELS = "redis://ann:secret@s1:26379,s2,[::1]:26380/3?primary=boards"


def test_sentinels_get_their_own_password_and_servers_that_of_the_url() -> None:
    servers = parse(SENTINELS, REPLICA)
    assert servers.addresses == (Address("s1", 26379), Address("s2", 26379), Address("::1", 26380))
    assert servers.primary == "boards"
    primary = servers.connection(Address("10.0.0.1", 6380))()
    assert (primary.username, primary.password, primary.db) == ("ann", "secret", 3)
    sentinel = servers.sentinel(servers.addresses[2], "of its own/:")()
    assert (sentinel.username, sentinel.password, sentinel.db) == (None, "of its own/:", 0)
    assert servers.sentinel(servers.addresses[0], "")().password is None


def test_a_database_that_is_an_option_is_not_asked_of_sentinels() -> None:
    servers = parse("redis://s1,s2?primary=boards&db=3", REPLICA)
    assert servers.connection(Address("h", 1))().db == 3
    assert servers.sentinel(Address("h", 1), "")().db == 0


def test_the_watched_name_has_a_default() -> None:
    assert parse("redis://s1,s2/0", REPLICA).primary == "savepoint"


def test_tls_and_its_options_go_for_every_server() -> None:
    servers = parse("rediss://s1,s2/0?ssl_ca_certs=/ca.pem&primary=boards", REPLICA)
    for made in (servers.connection(Address("h", 1))(), servers.sentinel(Address("h", 1), "x")()):
        assert isinstance(made, SSLConnection)
        assert made.ca_certs == "/ca.pem"


def test_nodes_of_a_cluster() -> None:
    for url in ("redis://n1:7000,n2:7001", "redis://n1:7000,n2:7001/", "redis://n1:7000,n2:7001/0"):
        assert parse(url, CLUSTER).addresses == (Address("n1", 7000), Address("n2", 7001))
    assert parse("redis://n1", CLUSTER).addresses == (Address("n1", 6379),)


@pytest.mark.parametrize("url", ["redis://h:1/0", "redis://h", "rediss://u:p@h:1/2", "unix:///run/x.sock?db=0"])
def test_one_server(url: str) -> None:
    parse(url, SINGLE).connection()()


@pytest.mark.parametrize(
    ("url", "mode", "takes"),
    [
        ("redis://secret@a,b/0", SINGLE, "with one server it takes"),
        ("redis://h/0?primary=secret", SINGLE, "with one server it takes"),
        ("redis://h:secret/0", SINGLE, "with one server it takes"),
        ("redis://h/0?db=secret", SINGLE, "with one server it takes"),
        ("unix:///secret?db=0", REPLICA, "under Sentinel it takes"),
        ("redis://a,secret:0/0", REPLICA, "under Sentinel it takes"),
        ("redis://a/0?primary=&secret=1", REPLICA, "under Sentinel it takes"),
        ("redis://a/secret?primary=x", REPLICA, "under Sentinel it takes"),
        ("redis://a/0?secret=1", REPLICA, "under Sentinel it takes"),
        ("unix:///secret", CLUSTER, "in a cluster it takes"),
        ("redis://secret/1", CLUSTER, "in a cluster it takes"),
        ("redis://secret/0?db=1", CLUSTER, "in a cluster it takes"),
        ("redis://a/0?primary=secret", CLUSTER, "in a cluster it takes"),
        ("redis://a:70000,secret", CLUSTER, "in a cluster it takes"),
        ("redis://a,,secret", CLUSTER, "in a cluster it takes"),
        ("redis://secret:26379,/0", REPLICA, "under Sentinel it takes"),
        ("rediss://h/0?ssl_cert_reqs=secret", SINGLE, "with one server it takes"),
    ],
)
def test_what_a_mode_cannot_use_is_refused_with_what_it_takes_and_without_the_value(
    url: str, mode: str, takes: str
) -> None:
    with pytest.raises(StoreUnfit, match=f"REDIS_URL .*{takes}") as raised:
        parse(url, mode)
    assert "secret" not in str(raised.value)
