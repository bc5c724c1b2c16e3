"""What the protos promise of themselves: every reason is named, a request_id stands where value moves, reads say so."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, MethodOptions
from google.rpc.status_pb2 import Status

ROOT = Path(__file__).parent.parent.parent
PROTOS = sorted((ROOT / "protos" / "savepoint").rglob("*.proto"))

OF_ANY_CALL = {"OVERLOADED", "STORE_UNAVAILABLE", "SERVICE_STOPPING", "DEADLINE_EXCEEDED", "BUG"}
READS = ("Get", "BatchGet", "Lookup", "List", "Query", "Aggregate", "Tail")
# Whatever adds, takes or moves value; of the second, a repeat adds nothing anyway.
REQUIRED = {
    "BatchApplyProgress", "AdjustCoins", "TransferCoins", "GrantItem", "BatchGrantItems", "ConsumeItem",
    "StartMatch", "FinishMatch", "RecordMatch",
}  # fmt: skip
OPTIONAL = {"CreatePlayer", "SubmitScore", "BatchSubmitScores"}


class Rpc(NamedTuple):
    """An RPC as its proto has it: the names behind each status in its comment."""

    name: str
    request: str
    options: MethodOptions
    statuses: dict[str, set[str]]

    @property
    def reasons(self) -> set[str]:
        return set().union(*self.statuses.values())


def _comments(text: str) -> dict[str, str]:
    """The comment before each RPC."""
    return {
        name: re.sub(r"\n *// ?", "\n", comment)
        for comment, name in re.findall(r"\n((?: *//[^\n]*\n)+) *rpc (\w+)\(", text)
    }


def _statuses(comment: str) -> dict[str, set[str]]:
    _, _, errors = comment.partition("Errors:")
    lines = re.findall(r"^- ([^:]+): ((?:.|\n(?!- ))*)", errors, re.MULTILINE)
    # What stands in parentheses explains.
    return {status: set(re.findall(r"\b[A-Z][A-Z_]+\b", re.sub(r"\([^)]*\)", "", names))) for status, names in lines}


def _rpcs() -> list[Rpc]:
    comments = {name: text for file in PROTOS for name, text in _comments(file.read_text(encoding="utf-8")).items()}
    return [
        Rpc(method.name, method.input_type.rpartition(".")[2], method.options, _statuses(comments[method.name]))
        for file in FILES.file
        for service in file.service
        for method in service.method
    ]


FILES = FileDescriptorSet.FromString((ROOT / "protos" / "gen" / "savepoint.binpb").read_bytes())
MESSAGES: dict[str, DescriptorProto] = {
    message.name: message
    for file in FILES.file
    if file.package.startswith("savepoint.")
    for message in file.message_type
}
RPCS = _rpcs()

by_name = pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: rpc.name)


def _documented() -> dict[str, str]:
    """The reasons of docs/errors.md, each with its status."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z_]+) \| ((?:`[A-Z_]+` ?)+)\|", text, re.MULTILINE)
    return {reason: status for status, names in rows for reason in re.findall(r"`([A-Z_]+)`", names)}


@by_name
def test_an_rpc_names_its_reasons_behind_their_status(rpc: Rpc) -> None:
    documented = _documented()
    for status, reasons in rpc.statuses.items():
        if status == "of any call":
            assert reasons == OF_ANY_CALL
        else:
            assert {documented.get(reason) for reason in reasons} == {status}
    assert rpc.statuses["of any call"] == OF_ANY_CALL
    assert "FIELD_INVALID" in rpc.reasons


def test_every_reason_is_named_by_an_rpc_and_documented() -> None:
    # Which RPC is refused with it depends on the database that the service runs on; some name it, some databases refuse
    # none.
    of_the_store = {"NOT_SUPPORTED_BY_STORE"}
    named = set().union(*(rpc.reasons for rpc in RPCS))
    assert named | of_the_store == set(_documented())


@by_name
def test_a_request_id_is_the_first_field_wherever_value_moves(rpc: Rpc) -> None:
    fields = {field.name: field for field in MESSAGES[rpc.request].field}
    assert ("request_id" in fields) == (rpc.name in REQUIRED | OPTIONAL)
    assert ("REQUEST_ID_REUSED" in rpc.reasons) == ("request_id" in fields)
    if "request_id" in fields:
        assert fields["request_id"].number == 1
        assert fields["request_id"].proto3_optional == (rpc.name in OPTIONAL)


@by_name
def test_reads_are_marked_as_that(rpc: Rpc) -> None:
    is_read = rpc.name.startswith(READS)
    assert (rpc.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS) == is_read


def test_an_etag_that_a_request_takes_may_be_left_out() -> None:
    taken = {"Player", "DeletePlayerRequest", "UpdateItemMetadataRequest"}
    etags = {name: field for name, message in MESSAGES.items() for field in message.field if field.name == "etag"}
    assert {name for name, field in etags.items() if field.proto3_optional} == taken


def test_one_message_for_a_grant_and_for_a_submission_alone_and_in_a_batch() -> None:
    def type_of(message: str, field: str) -> str:
        return next(one.type_name for one in MESSAGES[message].field if one.name == field)

    assert type_of("GrantItemRequest", "grant") == type_of("BatchGrantItemsRequest", "grants")
    assert type_of("SubmitScoreRequest", "submission") == type_of("BatchSubmitScoresRequest", "submissions")
    assert type_of("SubmissionResult", "failure") == ".google.rpc.Status"


def test_the_files_have_the_options_of_other_languages() -> None:
    for file in FILES.file:
        if file.package.startswith("savepoint."):
            area = file.package.split(".")[1]
            assert file.options.go_package == f"savepoint.example/go/{area}/v1;{area}v1"
            assert file.options.csharp_namespace == f"Savepoint.{area.capitalize()}.V1"
            assert file.options.java_package == file.package
            assert file.options.java_multiple_files


def test_the_copy_of_googles_status_is_the_one_that_python_uses() -> None:
    [ours] = [file for file in FILES.file if file.name == "google/rpc/status.proto"]
    theirs = DescriptorProto()
    Status.DESCRIPTOR.CopyToProto(theirs)
    for field in ours.message_type[0].field:
        # protoc writes them out, where they follow from the name anyway.
        field.ClearField("json_name")
    assert ours.message_type[0] == theirs
