"""A plain connection to a Valkey on a Unix socket: commands out, answers in, by a thread of its own."""

import socket
from collections.abc import Sequence
from typing import Any

import hiredis

_BOUND_S = 30.0
_PIECE = 1 << 18


def packed(words: Sequence[bytes]) -> bytes:
    """A command as it goes over the wire."""
    return hiredis.pack_command(tuple(words))  # type: ignore[arg-type,no-any-return] # not so in its types


class Pipeline:
    """Blocks; so it is for threads and for programs that do nothing else."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_BOUND_S)
        self._socket.connect(path)
        self._reader = hiredis.Reader()

    def ask(self, words: Sequence[bytes]) -> Any:
        """Sends one command and returns its answer. Raises OSError, and hiredis.ReplyError for a refusal."""
        self._socket.sendall(packed(words))
        return self.answer()

    def send(self, packed: bytes, commands: int) -> None:
        """Sends so many packed commands and reads their answers. Raises as `ask` does."""
        self._socket.sendall(packed)
        for _ in range(commands):
            self.answer()

    def answer(self) -> Any:
        """The next answer. Raises as `ask` does."""
        while (answer := self._reader.gets()) is False:
            piece = self._socket.recv(_PIECE)
            if not piece:
                raise ConnectionError("Valkey has closed the connection")
            self._reader.feed(piece)
        if isinstance(answer, hiredis.ReplyError):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()
