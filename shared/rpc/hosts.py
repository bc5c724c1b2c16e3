"""The hosts by the name that RPC_HOST gives."""

from collections.abc import Callable

from shared.rpc.grpc_aio import GrpcAioHost
from shared.rpc.host import ConnectionRules, Host
from shared.rpc.http2.server import Http2Host
from shared.rpc.policies import Policies

HOSTS: dict[str, Callable[[Policies, ConnectionRules], Host]] = {"httpunk": Http2Host, "grpc_aio": GrpcAioHost}


def host(name: str, policies: Policies, rules: ConnectionRules | None = None) -> Host:
    """A new host that serves nothing yet."""
    return HOSTS[name](policies, rules or ConnectionRules())
