"""What grpc.health.v1 answers at an address."""

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.doctor.finding import Finding, ok, problem

_ANSWER_S = 2


async def look(address: str, why: str, do: str) -> Finding:
    """Whether it is SERVING; `why` that matters and what to `do` where it is not."""
    async with aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # missing in its types
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_ANSWER_S)
        except grpc.RpcError as error:
            said = f"{error.code().name}: {error.details()}" if isinstance(error, aio.AioRpcError) else str(error)
            return problem("health", f"does not answer calls ({said})", why, do, health="DOWN")
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if status == "SERVING":
        return ok("health", status, health=status)
    return problem("health", f"says {status}", why, do, health=status)
