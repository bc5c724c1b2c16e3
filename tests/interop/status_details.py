"""A method beside the official ones: it fails with `grpc-status-details-bin`, which no official method does."""

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status  # type: ignore[import-untyped]

from tests.interop.protos.interop_pb2 import EchoStatus, Empty

SERVICE = "savepoint.interop.StatusDetails"
PATH = f"/{SERVICE}/Fail"


def status() -> status_pb2.Status:
    """What it fails with."""
    detail = AnyMessage()
    detail.Pack(EchoStatus(code=7, message="ключ"))
    return status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="too few ☺", details=[detail])


async def _fail(request: Empty, context: aio.ServicerContext[Any, Any]) -> Empty:
    await context.abort_with_status(rpc_status.to_status(status()))
    return Empty()


def add_to_server(server: aio.Server) -> None:
    """Registers the method as generated code would."""
    handlers = {
        "Fail": grpc.unary_unary_rpc_method_handler(
            _fail, request_deserializer=Empty.FromString, response_serializer=Empty.SerializeToString
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)
