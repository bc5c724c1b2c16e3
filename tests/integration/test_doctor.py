"""The doctor finds nothing where all is well, and is not stopped by what does not answer."""

import asyncio
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from deploy.doctor.named import WITH_TABLES
from deploy.doctor.postgres import defined
from deploy.doctor.targets import (
    Database,
    Gateway,
    Process,
    boards,
    cache,
)
from deploy.local import ports
from deploy.local.embedded import stack
from deploy.local.servers.valkey import Ranks
from deploy.local.stores import Stores
from shared.stores.postgres.dialect import POSTGRESQL
from shared.stores.postgres.migrations import by_version
from tests.support import databases
from tests.support.doctor import doctor, found, looked, problems
from tests.support.parts import alone
from tests.support.service import ROOT, migrate


async def test_a_stack_that_is_well_has_no_problem_until_a_service_freezes(tmp_path: Path) -> None:
    async with stack(tmp_path) as running_stack:
        data = str(tmp_path)
        code, output, errors = await doctor("--json", SAVEPOINT_DATA=data)
        report = json.loads(output)
        bad = [each for part in report["parts"] for each in part["findings"] if each["severity"] == "problem"]
        assert (code, bad, errors, report["well"]) == (0, [], "", True)
        parts = {part["part"] for part in report["parts"]}
        assert parts >= {"database profile", "Valkey cache", "Valkey boards", "service leaderboard", "gateway"}

        code, output, errors = await doctor(SAVEPOINT_DATA=data, COLUMNS="80")
        assert (code, errors) == (0, "")
        assert "No problem" in output.splitlines()[-1] + output.splitlines()[-2]
        assert "\x1b" not in output
        assert max(map(len, output.splitlines())) <= 80

        os.kill(running_stack.pid("leaderboard"), signal.SIGSTOP)
        try:
            # The gateway asks for its health once or twice, a second each.
            await asyncio.sleep(3)
            code, output, errors = await doctor("--json", SAVEPOINT_DATA=data)
        finally:
            os.kill(running_stack.pid("leaderboard"), signal.SIGCONT)
        ill = {
            (part["part"], each["check"])
            for part in json.loads(output)["parts"]
            for each in part["findings"]
            if each["severity"] == "problem"
        }
        assert (code, errors) == (1, "")
        assert ill >= {("service leaderboard", "health"), ("service leaderboard", "metrics"), ("gateway", "clusters")}
        assert not [part for part, _ in ill if "profile" in part or "Valkey" in part]


async def test_nothing_to_look_at_is_said_with_what_to_do(tmp_path: Path) -> None:
    code, output, errors = await doctor(SAVEPOINT_DATA=str(tmp_path))
    assert (code, output) == (2, "")
    assert "make up" in errors
    assert "--database" in errors
    code, _, errors = await doctor("--valkey", "ranks=redis://127.0.0.1", SAVEPOINT_DATA=str(tmp_path))
    assert code == 2
    assert "boards=" in errors


async def test_what_is_named_in_the_environment_is_looked_at_and_no_password_is_shown(
    stores: Stores, tmp_path: Path
) -> None:
    url = await databases.create(stores, "doctor")
    await migrate("profile", {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    code, output, errors = await doctor(
        SAVEPOINT_DATA=str(tmp_path),
        PROFILE_DATABASE_URL=url.replace("savepoint@", "savepoint:hidden@"),
        CACHE_REDIS_URL=stores.cache_url,
    )
    assert (code, errors) == (0, ""), output
    assert "database profile" in output
    assert "Valkey cache" in output
    assert "hidden" not in output


async def test_it_runs_with_what_its_image_has(stores: Stores, tmp_path: Path) -> None:
    for folder in ("shared", "services", "deploy/doctor"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "deploy" / "__init__.py", tmp_path / "deploy")
    code, output, errors = await doctor(cwd=tmp_path, CACHE_REDIS_URL=stores.cache_url)
    assert (code, errors) == (0, ""), output
    code, _, errors = await doctor(cwd=tmp_path)
    assert code == 2
    assert "nothing else is named" in errors


@pytest.mark.parametrize("service", WITH_TABLES)
async def test_the_indexes_that_migrations_define_are_those_that_they_make(stores: Stores, service: str) -> None:
    url = await databases.create(stores, "doctor")
    await migrate(service, {"DATABASE_URL": url, "REDIS_URL": stores.cache_url})
    made = await databases.rows(
        url,
        "SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
        " AND NOT EXISTS (SELECT FROM pg_class WHERE oid = tablename::regclass AND relispartition)",
    )
    versions = by_version(ROOT / "services" / service, POSTGRESQL)
    assert defined.indexes(versions[version] for version in sorted(versions)) == {
        str(name): str(table) for name, table in made
    }
    assert len(made) > 5


async def test_what_does_not_answer_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    [port] = ports.free(1)
    nobody = f"127.0.0.1:{port}"
    report = await looked(
        Database("profile", "profile", f"postgresql://savepoint@{nobody}/profile"),
        Database("inventory", "inventory", f"postgresql://savepoint@/inventory?host={tmp_path}"),
        cache(f"redis://{nobody}/0"),
        boards(f"unix://{tmp_path}/none.sock"),
        Process("profile", "profile", nobody, nobody),
        gateway=Gateway(nobody, nobody),
    )
    assert len(found(report, "connection")) == 4
    assert len(found(report, "health")) == 2
    assert len(found(report, "metrics")) == 2


async def test_a_store_that_is_frozen_is_a_problem_within_seconds(tmp_path: Path) -> None:
    async with alone(Ranks, tmp_path) as (part, pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            [finding] = problems(await looked(boards(part.url)))
            assert (finding.check, time.monotonic() - began < 8) == ("connection", True)
        finally:
            os.kill(pid, signal.SIGCONT)
