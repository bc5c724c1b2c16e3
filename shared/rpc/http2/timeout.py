"""The grpc-timeout header: up to eight digits and a unit."""

import re

from shared.contract.errors import FieldInvalid

_FORM = re.compile(rb"(\d{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


def seconds(value: bytes) -> float:
    """How long the caller waits. Raises FieldInvalid."""
    match = _FORM.fullmatch(value)
    if match is None:
        raise FieldInvalid("grpc-timeout", "must be 1 to 8 digits and one of the units H, M, S, m, u, n")
    return int(match[1]) * _SECONDS[match[2]]
