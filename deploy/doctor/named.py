"""What the command line and the environment name, where it is not the embedded stack that is looked at."""

import argparse
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.doctor.targets import (
    Gateway,
    MongoServer,
    Process,
    Targets,
    boards,
    cache,
    databases,
    dynamo_table,
    stores_of,
)

SERVICES_FOLDER = Path(__file__).resolve().parents[2] / "services"
# Those that keep tables.
WITH_TABLES = tuple(sorted(path.parent.name for path in SERVICES_FOLDER.glob("*/migrations")))
ENVIRONMENT = {
    **{f"{name.upper()}_DATABASE_URL": f"postgresql://…, the database of {name}" for name in WITH_TABLES},
    "…_DATABASE_REPLICA_URLS": "likewise, the URLs of its replicas, with commas between them",
    "CACHE_REDIS_URL": "redis://…, the player cache; or its sentinels or nodes, with commas between them",
    "BOARDS_REDIS_URL": "likewise, where the leaderboards are",
    "SENTINEL_PASSWORD": "the sentinels' own, where they ask for one",
    "GAMELOG_MONGODB_URL": "mongodb://…, where the game log is",
    "DYNAMODB_TABLE": "where the leaderboards are; AWS_REGION, DYNAMODB_ENDPOINT_URL as they are",
    "DATABASE_URL, REDIS_URL": "and the like, as one of the services has them",
    "DOCTOR_SERVICES": "profile=host:port,… where services answer calls, several after commas",
    "DOCTOR_METRICS": "profile=host:port,… where services show their metrics",
    "DOCTOR_GATEWAY": "host:port, where the gateway answers calls",
    "DOCTOR_GATEWAY_METRICS": "host:port, where the gateway shows its metrics",
}


class NotUnderstoodError(Exception):
    """What was named cannot be read; the message says what it takes."""


def targets(options: argparse.Namespace, environment: Mapping[str, str]) -> Targets:
    """What is named; options come before the environment. Raises NotUnderstoodError."""
    found = Targets("what was named")
    for service, url in {**_databases(environment), **dict(_pairs("--database", options.database))}.items():
        replicas = environment.get(f"{service.upper()}_DATABASE_REPLICA_URLS", "")
        found = found.and_also(Targets("", databases=databases(service, url, replicas)))
    stores = {"cache": environment.get("CACHE_REDIS_URL", ""), "boards": environment.get("BOARDS_REDIS_URL", "")}
    sentinel_password = environment.get("SENTINEL_PASSWORD", "")
    for name, url in {**stores, **dict(_pairs("--valkey", options.valkey))}.items():
        if name not in stores:
            raise NotUnderstoodError(f"--valkey takes cache=redis://… or boards=redis://…, not {name}=")
        if url:
            valkey = (cache if name == "cache" else boards)(url, sentinel_password)
            found = found.and_also(Targets("", valkeys=(valkey,)))
    mongodb_urls = {"gamelog": environment.get("GAMELOG_MONGODB_URL", ""), **dict(_pairs("--mongodb", options.mongodb))}
    mongodbs = tuple(MongoServer(name, url) for name, url in mongodb_urls.items() if url)
    found = found.and_also(Targets("", mongodbs=mongodbs))
    if environment.get("DYNAMODB_TABLE"):
        found = found.and_also(Targets("", dynamo_tables=(dynamo_table("leaderboard", environment),)))
    if not found.stores:
        url = environment.get("DATABASE_URL", "")
        found = found.and_also(stores_of(_service_of(url), environment))
    processes = _processes(
        options.service or _listed(environment.get("DOCTOR_SERVICES", "")),
        options.metrics or _listed(environment.get("DOCTOR_METRICS", "")),
    )
    rpc = options.gateway or environment.get("DOCTOR_GATEWAY", "")
    metrics = options.gateway_metrics or environment.get("DOCTOR_GATEWAY_METRICS", "")
    gateway = Gateway(rpc, metrics) if rpc or metrics else None
    return found.and_also(Targets("", processes=tuple(processes), gateway=gateway))


def _databases(environment: Mapping[str, str]) -> dict[str, str]:
    named = {name: environment.get(f"{name.upper()}_DATABASE_URL", "") for name in WITH_TABLES}
    return {name: url for name, url in named.items() if url}


def _service_of(url: str) -> str:
    """The service whose database has the service's own name, as in compose."""
    name = urlsplit(url).path.lstrip("/")
    return name if name in WITH_TABLES else ""


def _processes(rpc: Sequence[str], metrics: Sequence[str]) -> Iterator[Process]:
    """One for each address. A name that stands for several addresses, as a scaled service's in compose, is several
    processes."""
    # Where a process shows its metrics differs by the port alone. Of several on one machine, the first place of each
    # kind is the same process, and so on.
    found: dict[tuple[str, str, int], dict[str, str]] = {}
    for kind, option, given in (("rpc", "--service", rpc), ("metrics", "--metrics", metrics)):
        places = Counter[tuple[str, str]]()
        for service, address in _pairs(option, given):
            host, port = _split(option, address)
            for ip in _addresses(host):
                found.setdefault((service, ip, places[service, ip]), {})[kind] = f"{ip}:{port}"
                places[service, ip] += 1
    processes = Counter(service for service, _, _ in found)
    for (service, _, _), known in found.items():
        place = known.get("rpc") or known["metrics"]
        name = f"{service} at {place}" if processes[service] > 1 else service
        yield Process(name, service, known.get("rpc", ""), known.get("metrics", ""))


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        # Whoever asks there is told that nobody answers.
        return [host]
    return sorted({str(address[4][0]) for address in found})


def _pairs(option: str, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for pair in given:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise NotUnderstoodError(f"{option} takes NAME=…, such as profile=…")
        yield name, value


def _split(option: str, address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise NotUnderstoodError(f"{option} takes host:port behind the service's name, not {address!r}")
    return host, port


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
