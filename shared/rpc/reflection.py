"""Server reflection, from the descriptors that are generated with the stubs.

A process shows the services that it hosts. The gateway stands for all processes: a call that it has marked is shown
the services of the whole suite.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

DESCRIPTORS = Path(__file__).parents[2] / "protos" / "gen" / "savepoint.binpb"
GATEWAY_HEADER = "x-savepoint-gateway"


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):
    """Answers with the process's own services, or the suite's for the gateway."""

    def __init__(self, hosted: Sequence[str]) -> None:
        files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
        pool = DescriptorPool()
        for file in files.file:
            pool.Add(file)
        for library in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
            file = descriptor_pb2.FileDescriptorProto()
            library.CopyToProto(file)
            pool.Add(file)
        common = [reflection.SERVICE_NAME, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        suite = [f"{file.package}.{service.name}" for file in files.file for service in file.service]
        self._own = ReflectionServicer([*hosted, *common], pool)
        self._suite = ReflectionServicer([*suite, *common], pool)

    async def ServerReflectionInfo(  # noqa: N802 # the generated base class's name
        self, request_iterator: AsyncIterator[Any], context: "aio.ServicerContext[Any, Any]"
    ) -> AsyncIterator[Any]:
        """Streams an answer for each question."""
        from_gateway = any(key == GATEWAY_HEADER for key, _ in context.invocation_metadata() or ())
        servicer = self._suite if from_gateway else self._own
        answers: AsyncIterator[Any] = servicer.ServerReflectionInfo(request_iterator, context)  # type: ignore[assignment]
        async for answer in answers:
            yield answer
