"""The methods that servicers have registered, by path, each with the steps that its calls go through."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import grpc

from shared.rpc.policies import Method, Policies, Step


class ServedMethod(NamedTuple):
    """A method, and the step that carries out a call of it."""

    method: Method
    way: Step


class _Asked(NamedTuple):
    """grpc.HandlerCallDetails, by which a generic handler is asked for a method."""

    method: str
    invocation_metadata: tuple[()] = ()


class Methods:
    """What a host serves."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._generic: list[grpc.GenericRpcHandler] = []
        self._served: dict[str, ServedMethod] = {}

    def add_generic(self, handlers: "Sequence[grpc.GenericRpcHandler]") -> None:
        """Handlers that are asked for each method when it is first called."""
        self._generic.extend(handlers)

    def add(self, service: str, handlers: "Mapping[str, grpc.RpcMethodHandler[Any, Any]]") -> None:
        """The methods of a service by their names."""
        for name, handler in handlers.items():
            self._add(f"/{service}/{name}", handler)

    def find(self, path: str) -> ServedMethod | None:
        """The method at "/package.Service/Name", or None."""
        if known := self._served.get(path):
            return known
        for generic in self._generic:
            handler = generic.service(_Asked(path))  # type: ignore[arg-type] # it reads no more than these two
            if handler is not None:
                return self._add(path, handler)
        return None

    def _add(self, path: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> ServedMethod:
        method = Method.of(path, handler)
        served = self._served[path] = ServedMethod(method, self._policies.way(method))
        return served
