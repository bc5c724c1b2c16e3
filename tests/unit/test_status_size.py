"""However long what an error repeats of the request, its trailers stay small: beyond a peer's header limits the
connection is dropped, and with it the calls of everybody who shares it."""

import base64
import inspect

import pytest
from google.rpc import error_details_pb2

from shared.contract import errors
from shared.contract.errors import SavepointError
from shared.rpc import status
from tests.unit.test_status import KINDS

# HTTP/2 libraries take header lists of 8 KiB unless they are told otherwise; ours share it with a few short headers.
LARGEST_TRAILERS = 6 * 1024

HUGE = ["x" * 100_000, "é" * 16_000, "\U0001f3c6" * 16_000, "%\n\x01" * 5_000, "a" + "é" * 16_000, "ab" + "€" * 9_000]


def raised(kind: type[SavepointError], text: str) -> SavepointError:
    """An error of that kind, of which every part that can be long is long."""
    parameters = inspect.signature(kind).parameters.values()
    positional = ["A_REASON" if p.name == "reason" else text for p in parameters if p.kind is not p.VAR_KEYWORD]
    if len(positional) == len(parameters):
        return kind(*positional)
    return kind(*positional, **dict.fromkeys(("player_id", "item_type", "item_id", "have"), text))


def on_the_wire(error: SavepointError) -> int:
    """The size of grpc-message, percent-encoded, and of the details, base64."""
    message = status.message_of(error).encode()
    encoded = sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in message)
    return encoded + sum(len(base64.b64encode(value)) for _, value in status.trailers(error))


@pytest.mark.parametrize("text", HUGE, ids=ascii)
@pytest.mark.parametrize("kind", KINDS)
def test_no_error_outgrows_its_trailers(kind: type[SavepointError], text: str) -> None:
    error = raised(kind, text)
    assert on_the_wire(error) <= LARGEST_TRAILERS
    [(_, value)] = status.trailers(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details_of(value)[0].Unpack(info)
    assert info.reason == error.reason


def test_even_metadata_without_end_leaves_the_reason() -> None:
    error = errors.NotFound("PLAYER_NOT_FOUND", "no", **{f"key{n}": "é" * 1000 for n in range(1000)})
    assert on_the_wire(error) <= LARGEST_TRAILERS
    [(_, value)] = status.trailers(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details_of(value)[0].Unpack(info)
    assert (info.reason, info.domain) == ("PLAYER_NOT_FOUND", "savepoint")


def test_what_is_cut_says_so_and_what_fits_is_left_alone() -> None:
    error = errors.FieldInvalid("metadata." + "é" * 16_000, "must be a finite number, and is nan")
    assert error.field.startswith("metadata.éé")
    assert error.field.endswith("é…")
    assert error.message.endswith("must be a finite number, and is nan")
    assert error.metadata["field"] == error.field
    whole = errors.FieldInvalid("changes[2].player_id", "must be a UUID, and is '日本'")
    assert whole.message == "changes[2].player_id: must be a UUID, and is '日本'"
    assert status.message_of(whole) == whole.message


def test_the_longest_email_is_repeated_whole() -> None:
    email = "a" * 242 + "@example.com"
    assert errors.NotFound("PLAYER_NOT_FOUND", "no", key=email).metadata["key"] == email
