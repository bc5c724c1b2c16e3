"""The one table of errors, and that docs/errors.md tells of all of it."""

import inspect
from pathlib import Path

import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from shared.contract import errors
from shared.rpc import status

ROOT = Path(__file__).parent.parent.parent
KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.SavepointError) and kind not in (errors.SavepointError, errors.Refused)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_error_has_its_status(kind: type[errors.SavepointError]) -> None:
    error = kind.__new__(kind)
    assert isinstance(status.code_of(error), StatusCode)


def test_only_a_bug_is_internal_and_nothing_is_unknown() -> None:
    codes = {kind: status.code_of(kind.__new__(kind)) for kind in KINDS}
    assert [kind for kind, code in codes.items() if code is StatusCode.INTERNAL] == [errors.Bug]
    assert StatusCode.UNKNOWN not in codes.values()


def test_an_error_carries_reason_field_and_when_to_come_back() -> None:
    def unpacked(error: errors.SavepointError) -> list[str]:
        [(key, value)] = status.trailers(error)
        assert key == "grpc-status-details-bin"
        return [detail.type_url.rpartition(".")[2] for detail in status.details_of(value)]

    assert unpacked(errors.NotFound("PLAYER_NOT_FOUND", "no")) == ["ErrorInfo"]
    assert unpacked(errors.FieldInvalid("a.b", "must")) == ["ErrorInfo", "BadRequest"]
    assert unpacked(errors.Overloaded("busy")) == ["ErrorInfo", "RetryInfo"]
    assert unpacked(errors.StoreUnavailable("postgresql")) == ["ErrorInfo", "RetryInfo"]


EVERY_ERROR = [
    errors.FieldInvalid("changes[2].player_id", "must be a UUID: not this"),
    errors.RequestIdReused("01a20edb-7737-7dcf-abee-f04ed7a36201"),
    errors.NotFound("PLAYER_NOT_FOUND", "no player", player_id="1", reason="a name of a parameter"),
    errors.AlreadyExists("USERNAME_TAKEN", "taken"),
    errors.PreconditionFailed("INSUFFICIENT_COINS", "too few; é", have=1, need=2),
    errors.NotSupportedByStore("tail", "dynamodb", "use a time range: it ends by itself"),
    errors.EtagMismatch("7"),
    errors.Overloaded("too many at once"),
    errors.StoreUnavailable("postgresql"),
    errors.DependencyUnavailable("profile"),
    errors.Stopping(),
    errors.DeadlineReached(),
    errors.Bug(),
]


def test_the_list_of_errors_is_whole() -> None:
    assert sorted(map(str, map(type, EVERY_ERROR))) == sorted(map(str, KINDS))


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_every_error_is_made_of_its_status_again(error: errors.SavepointError) -> None:
    again = status.error_in(status.trailers(error))
    assert type(again) is type(error)
    assert again is not None
    assert vars(again) == vars(error)


def test_a_status_of_somebody_else_is_no_error_of_ours() -> None:
    received = status_pb2.Status(code=StatusCode.NOT_FOUND.value[0], message="no")
    received.details.add().Pack(error_details_pb2.ErrorInfo(reason="PLAYER_NOT_FOUND", domain="elsewhere"))
    assert status.error_of(received) is None
    assert status.error_of(status_pb2.Status(code=5)) is None
    assert status.error_in([(status.DETAILS_KEY, b"\xff\xff")]) is None
    assert status.error_in([]) is None


def test_the_domain_is_savepoint_and_metadata_is_text() -> None:
    [(_, value)] = status.trailers(errors.PreconditionFailed("INSUFFICIENT_COINS", "no", have=1, need=2))
    info = error_details_pb2.ErrorInfo()
    assert status.details_of(value)[0].Unpack(info)
    assert (info.domain, dict(info.metadata)) == ("savepoint", {"have": "1", "need": "2"})


def test_every_reason_in_the_code_is_documented() -> None:
    import re

    documented = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    raised = set()
    for file in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py")]:
        raised |= set(
            re.findall(
                r'(?:NotFound|PreconditionFailed|AlreadyExists)\(\s*"([A-Z_]+)"', file.read_text(encoding="utf-8")
            )
        )
        raised |= set(re.findall(r'super\(\).__init__\(\s*"([A-Z_]+)"', file.read_text(encoding="utf-8")))
    for file in (ROOT / "services").rglob("*.sql"):
        raised |= set(re.findall(r"'reason', '([A-Z_]+)'", file.read_text(encoding="utf-8")))
    assert len(raised) > 10
    assert "INSUFFICIENT_COINS" in raised
    assert sorted(reason for reason in raised if f"`{reason}`" not in documented) == []
