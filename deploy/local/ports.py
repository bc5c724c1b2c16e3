"""The TCP ports: whether they are free, and who holds one that is not."""

import errno
import socket
from collections import Counter
from collections.abc import Mapping

import psutil

HOST = "127.0.0.1"


class PortError(Exception):
    """A port cannot be used; the message names it, its holder, and the variable that moves it."""


def check(ports: Mapping[str, int]) -> None:
    """Raises PortError for the first of these (variable -> port) that cannot be listened on."""
    twice = next((port for port, times in Counter(ports.values()).items() if times > 1), None)
    if twice is not None:
        names = " and ".join(name for name, port in ports.items() if port == twice)
        raise PortError(f"{names} are the same port, {twice}; give each its own")
    for variable, port in ports.items():
        with socket.socket() as probe:
            # As a server does it: a connection that lingers from an earlier run does not count as a holder.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise PortError(_message(variable, port, error)) from None


def free(count: int) -> list[int]:
    """As many ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _message(variable: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by {_holder(port)}; end that, or choose another port with {variable}="
    return f"port {port} cannot be used ({error.strerror}); choose another with {variable}="


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another program"
