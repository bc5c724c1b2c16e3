"""Whether connections to a database are encrypted, by its URL."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.stores.errors import StoreUnfit
from shared.stores.postgres.migrations import _for_dbmate, _with_host
from shared.stores.postgres.url import conninfo, has_several_hosts, sslmode

HERE = [
    "postgresql://ada@/profile?host=/run/postgresql",
    "postgresql://ada@%2Frun%2Fpostgresql/profile",
    "postgresql:///profile",
    "postgresql://ada:secret@localhost:5432/profile",
    "postgresql://ada@127.0.0.1/profile",
    "postgresql://ada@127.3.2.1/profile",
    "postgresql://ada@[::1]:5432/profile",
    "postgresql://ada@localhost:5432,127.0.0.1:5433/profile",
    "postgresql://ada@db.example.com/profile?hostaddr=127.0.0.1",
]
ELSEWHERE = [
    "postgresql://ada:secret@profile-db:5432/profile",
    "postgres://ada@10.0.0.7/profile",
    "postgresql://ada@[2001:db8::1]:5432/profile",
    "postgresql://ada@/profile?host=db.example.com",
    "postgresql://ada@localhost:5432,db.example.com:5432/profile",
    "postgresql://ada@localhost.example.com/profile",
    "postgresql://ada@localhost/profile?hostaddr=10.0.0.7",
]


def joined(url: str, option: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{option}"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)


@pytest.mark.parametrize("undecided", ["", "sslmode=prefer", "sslmode=allow"])
def test_what_is_left_open_is_settled_by_where_the_server_is(undecided: str) -> None:
    assert {sslmode(joined(url, undecided)) for url in HERE} == {"disable"}
    assert {sslmode(joined(url, undecided)) for url in ELSEWHERE} == {"require"}


@pytest.mark.parametrize("asked", ["disable", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("url", [HERE[3], ELSEWHERE[0]])
def test_what_is_asked_for_counts(url: str, asked: str) -> None:
    assert sslmode(joined(url, f"sslmode={asked}")) == asked


def test_the_environment_counts_where_the_url_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert sslmode(ELSEWHERE[0]) == "verify-full"
    assert sslmode(joined(ELSEWHERE[0], "sslmode=disable")) == "disable"


def test_service_and_migrations_connect_alike() -> None:
    for url in (*HERE, *ELSEWHERE):
        wanted = sslmode(url)
        assert conninfo_to_dict(conninfo(url))["sslmode"] == wanted
        assert f"sslmode={wanted}" in _for_dbmate(url)
    assert "options='-c" in conninfo("postgresql://ada@/profile?options=-c%20work_mem%3D8MB")
    assert (
        _for_dbmate("postgresql://ada:a%23b@/profile?host=/run/pg")
        == "postgres://ada:a%23b@/profile?sslmode=disable&socket=/run/pg"
    )


def test_what_is_no_url_is_refused_and_its_password_not_repeated() -> None:
    with pytest.raises(StoreUnfit, match="DATABASE_URL cannot be read") as refused:
        sslmode("postgresql://ada:secret@[::1/profile")
    assert "secret" not in str(refused.value)


def test_of_several_hosts_the_one_that_takes_writes_is_asked_for() -> None:
    several = "postgresql://ada@/profile?host=/run/a,/run/b"
    assert has_several_hosts(several)
    assert has_several_hosts("postgresql://ada@h1:5432,h2:5433/profile")
    assert not has_several_hosts("postgresql://ada@h1/profile")
    assert conninfo_to_dict(conninfo(several, writable=True))["target_session_attrs"] == "read-write"
    assert "target_session_attrs" not in conninfo(several)
    chosen = conninfo(f"{several}&target_session_attrs=primary", writable=True)
    assert conninfo_to_dict(chosen)["target_session_attrs"] == "primary"


@pytest.mark.parametrize("asked", ["any", "standby", "prefer-standby", "read-only"])
def test_of_several_hosts_one_that_may_take_no_writes_is_not_asked_for(asked: str) -> None:
    url = f"postgresql://ada@h1,[::1],h2/profile?sslmode=disable&target_session_attrs={asked}"
    with pytest.raises(StoreUnfit, match=f"DATABASE_URL asks for target_session_attrs={asked}.* read-write or primary"):
        conninfo(url, writable=True)
    assert conninfo_to_dict(conninfo(url))["target_session_attrs"] == asked


def test_migrations_go_to_one_of_several_hosts() -> None:
    tcp = "postgresql://ada:a%23b@h1:5432,[::1],h2:5433/profile?target_session_attrs=read-write&connect_timeout=5"
    assert _with_host(tcp, "h2", 5433) == "postgres://ada:a%23b@h2:5433/profile?connect_timeout=5"
    assert _with_host(tcp, "2001:db8::1", 5432) == "postgres://ada:a%23b@[2001:db8::1]:5432/profile?connect_timeout=5"
    sockets = _with_host("postgresql://ada@/profile?host=/run/a,/run/b&port=5432,5433", "/run/b", 5433)
    assert _for_dbmate(sockets) == "postgres://ada@/profile?port=5433&sslmode=disable&socket=/run/b"
