"""Metrics by their names in a real scrape, fields in a real log line, spans at a real collector."""

import asyncio
import json
import logging
import re
import time
import uuid
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc import aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from savepoint.profile.v1 import profile_pb2 as pb
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from shared.stores import postgres
from shared.stores.postgres.queries import Query
from shared.telemetry.metrics import Metrics
from shared.telemetry.store import StoreTelemetry
from shared.telemetry.traces import Traces
from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service, running


def value(scrape: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels; fails if there is none."""
    found = [
        float(match["value"])
        for match in re.finditer(rf"^{name}(\{{(?P<labels>[^}}]*)\}})? (?P<value>\S+)$", scrape, re.M)
        if all(f'{key}="{wanted}"' in (match["labels"] or "") for key, wanted in labels.items())
    ]
    assert found, f"{name} {labels} is not in the scrape"
    return sum(found)


async def test_the_four_metrics_and_the_calls_are_in_the_scrape(profile: Service, players: Players) -> None:
    stub, [player_id, other_id] = ProfileServiceStub(profile.channel), await players(2)
    await stub.GetPlayer(pb.GetPlayerRequest(player_id=other_id))
    before = await profile.scrape()
    for _ in range(3):
        await stub.GetPlayer(pb.GetPlayerRequest(player_id=player_id))
    await failure(stub.GetPlayer(pb.GetPlayerRequest(player_id="nonsense")))
    after = await profile.scrape()

    assert "# TYPE db_query_duration_seconds histogram" in after
    assert "# TYPE db_connections_active gauge" in after
    assert "# TYPE cache_hit_ratio gauge" in after
    selects = {"store": "postgresql", "query_type": "select", "table": "players"}
    grown = value(after, "db_query_duration_seconds_count", **selects) - value(
        before, "db_query_duration_seconds_count", **selects
    )
    assert grown == 1, "one read of three goes to the database"
    assert value(after, "db_connections_active", store="postgresql") == 0
    assert 0 < value(after, "cache_hit_ratio", cache="players") <= 1
    assert value(after, "cache_lookups_total", result="hit") - value(before, "cache_lookups_total", result="hit") == 2
    method = {"rpc_service": "savepoint.profile.v1.ProfileService", "rpc_method": "GetPlayer"}
    assert value(after, "rpc_server_duration_seconds_count", **method, rpc_grpc_status_code="OK") >= 3
    assert value(after, "rpc_server_duration_seconds_count", **method, rpc_grpc_status_code="INVALID_ARGUMENT") >= 1


async def test_durations_are_in_seconds(profile: Service, players: Players) -> None:
    stub, [player_id] = ProfileServiceStub(profile.channel), await players(1)
    method = {"rpc_service": "savepoint.profile.v1.ProfileService", "rpc_method": "RecordLogin"}
    query = {"store": "postgresql", "query_type": "update", "table": "players"}
    request = pb.RecordLoginRequest(player_id=player_id)
    # So that both are in the scrape.
    await stub.RecordLogin(request)
    before, begun = await profile.scrape(), time.monotonic()
    await stub.RecordLogin(request)
    took, after = time.monotonic() - begun, await profile.scrape()
    for name, labels in (("rpc_server_duration_seconds_sum", method), ("db_query_duration_seconds_sum", query)):
        assert 0 < value(after, name, **labels) - value(before, name, **labels) < took, name


async def test_a_store_that_fails_is_counted(
    profile_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("errors")
    environment = {**profile_environment, "REDIS_URL": f"unix://{directory}/nobody.sock?db=0"}
    async with running("profile", environment, directory) as service:
        request = pb.GetPlayerRequest(player_id=str(uuid.uuid4()))
        await failure(ProfileServiceStub(service.channel).GetPlayer(request))
        scrape = await service.scrape()
        assert "# TYPE db_errors_total counter" in scrape
        assert value(scrape, "db_errors_total", store="valkey", kind="CONNECTION_TIMEOUT") >= 1


async def test_a_query_is_logged_as_json_with_its_fields(profile: Service, players: Players) -> None:
    await players(1)
    lines = [json.loads(line) for line in profile.log.read_text().splitlines()]
    inserts = [line for line in lines if line.get("query") == "create_player"]
    assert inserts, "the insert of the player is not in the log"
    line = inserts[-1]
    assert (line["query_type"], line["table"], line["rows_affected"]) == ("insert", "players", 1)
    assert isinstance(line["duration_ms"], float)
    assert 0 < line["duration_ms"] < 10_000
    assert (line["service"], line["level"]) == ("profile", "DEBUG")


async def test_a_call_is_logged_with_its_caller(
    profile_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with running("profile", profile_environment, tmp_path_factory.mktemp("callers")) as service:
        request = pb.GetPlayerRequest(player_id=str(uuid.uuid4()))
        async with aio.insecure_channel(service.address, [("grpc.primary_user_agent", "a-game/7")]) as channel:
            await failure(ProfileServiceStub(channel).GetPlayer(request))
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    [call] = [line for line in lines if line.get("rpc_method") == "GetPlayer" and line["message"] == "call"]
    assert call["user_agent"].startswith("a-game/7 ")
    assert "127.0.0.1" in call["peer"]


async def test_a_slow_query_is_a_warning_and_a_quick_one_is_not(
    profile_environment: dict[str, str], metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "savepoint.query")
    telemetry = StoreTelemetry("tests", metrics, Traces("tests", ""), slow_query_ms=500)
    async with postgres.connect(profile_environment["DATABASE_URL"], 1, 10, telemetry) as database:
        await database.execute(Query("quick", "select", "nothing", "SELECT 1"), {}, repeatable=True)
        await database.execute(Query("slow", "select", "nothing", "SELECT pg_sleep(0.6)"), {}, repeatable=True)
    logged = {record.__dict__["query"]: (record.levelname, record.message) for record in caplog.records}
    assert logged == {"quick": ("DEBUG", "query"), "slow": ("WARNING", "slow query")}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str]] = []

    def Export(  # noqa: N802 # the generated base class's name
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [(span.name, span.trace_id.hex(), span.parent_span_id.hex()) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


async def test_a_call_and_its_queries_are_one_trace_below_the_callers(
    profile_environment: dict[str, str], tmp_path: Path
) -> None:
    collector, server = Collector(), grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    trace, parent, name = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", uuid.uuid4().hex
    environment = {**profile_environment, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    async with running("profile", environment, tmp_path) as service:
        await ProfileServiceStub(service.channel).CreatePlayer(
            pb.CreatePlayerRequest(username=name, email=f"{name}@example.com"),
            metadata=(("traceparent", f"00-{trace}-{parent}-01"),),
        )
    await asyncio.to_thread(server.stop(1).wait, 5)
    mine = {span: above for span, in_trace, above in collector.spans if in_trace == trace}
    assert mine["savepoint.profile.v1.ProfileService/CreatePlayer"] == parent
    assert "create_player" in mine
    logged = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert any(line.get("trace_id") == trace for line in logged if line.get("query") == "create_player")
