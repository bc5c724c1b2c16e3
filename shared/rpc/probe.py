"""Asks a service for its health. A container runs `python -m shared.rpc.probe` every few seconds: it imports nothing of
the service itself, nor grpcio, and so costs a fifth of what `python -m services.<name> health` does."""

import asyncio
import os
import ssl
import sys
from pathlib import Path

from httpunk import HTTPunkError
from httpunk.asyncio import H2ClientProtocol

_BOUND_S = 3
# grpc.health.v1: the request for "", and the answer SERVING.
_EMPTY = b"\0\0\0\0\0"
_SERVING = b"\0\0\0\0\2\x08\x01"


class NotServingError(Exception):
    """The service does not answer, or says that it cannot serve."""


def probe(listen: str, certificate: Path | None = None, key: Path | None = None) -> None:
    """Returns if the service at `listen` (host:port) is SERVING. Raises NotServingError.

    Where the service takes encrypted calls only, `certificate` and `key` are the service's own.
    """
    # A container listens on all addresses and is asked from within.
    target = listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104
    encryption = _encryption(certificate, key) if certificate and key else None
    try:
        answer = asyncio.run(asyncio.wait_for(_check(target, encryption), _BOUND_S))
    except TimeoutError as error:
        raise NotServingError(f"nothing answers at {target} within {_BOUND_S} s") from error
    except (OSError, HTTPunkError) as error:
        raise NotServingError(f"nothing answers at {target}: {error}") from error
    if answer != _SERVING:
        raise NotServingError(f"{target} is NOT_SERVING")


async def _check(target: str, encryption: ssl.SSLContext | None) -> bytes:
    host, _, port = target.rpartition(":")
    scheme = "https" if encryption else "http"
    transport, client = await asyncio.get_running_loop().create_connection(
        lambda: H2ClientProtocol(authority=target, scheme=scheme), host.strip("[]"), int(port), ssl=encryption
    )
    try:
        connection = await client.ready()
        headers = {"content-type": "application/grpc", "te": "trailers"}
        answer = await connection.request("POST", "/grpc.health.v1.Health/Check", headers=headers, body=_EMPTY)
        return await answer.read()
    finally:
        # No polite close: that would wait for ever for grpc.aio, which does not end its side of the encryption.
        transport.abort()


def _encryption(certificate: Path, key: Path) -> ssl.SSLContext:
    """A service asks itself, so the server's certificate is not verified; the client shows the service's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context


def _file(variable: str) -> Path | None:
    return Path(os.environ[variable]) if os.environ.get(variable) else None


if __name__ == "__main__":
    try:
        probe(os.environ["LISTEN"], _file("TLS_CERTIFICATE"), _file("TLS_KEY"))
    except NotServingError as not_serving:
        sys.exit(str(not_serving))
