"""The TCP ports: whether they are free, and who holds one that is not."""

import errno
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import psutil

HOST = "127.0.0.1"
_HIGHEST = 65_535


class PortError(Exception):
    """A port cannot be used; the message names it, its holder, and the variable that moves it."""


def check(ports: Mapping[str, Sequence[int]]) -> None:
    """Raises PortError for the first of these (variable -> the ports that it moves) that cannot be listened on."""
    every = [(variable, port) for variable, its in ports.items() for port in its]
    twice = next((port for port, times in Counter(port for _, port in every).items() if times > 1), None)
    if twice is not None:
        names = " and ".join(variable for variable, port in every if port == twice)
        raise PortError(f"{names} are the same port, {twice}; give each its own")
    for variable, port in every:
        if reason := _refused(port):
            raise PortError(f"{reason} {variable}=")


def free(count: int, above: Sequence[int] = ()) -> list[int]:
    """As many ports that nobody listens on at this moment, nor on those that lie so far above each of them."""
    found: list[int] = []
    taken: set[int] = set()
    with ExitStack() as held:
        while len(found) < count:
            one = held.enter_context(socket.socket())
            one.bind((HOST, 0))
            port = int(one.getsockname()[1])
            others = {port + distance for distance in above}
            if taken.isdisjoint({port, *others}) and not any(_refused(other) for other in others):
                found.append(port)
                taken |= {port, *others}
    return found


def _refused(port: int) -> str:
    """Why the port cannot be listened on, in words; empty where it can."""
    if port > _HIGHEST:
        return f"port {port} cannot be used (the highest is {_HIGHEST}); choose another with"
    with socket.socket() as probe:
        # As a server does it: a connection that lingers from an earlier run does not count as a holder.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is taken by {_holder(port)}; end that, or choose another port with"
            return f"port {port} cannot be used ({error.strerror}); choose another with"
    return ""


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another program"
