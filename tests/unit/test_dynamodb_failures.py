"""What errors of DynamoDB mean."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from shared.stores.dynamodb.failures import ConditionFailed, WriteConflict, kind_of, translated
from shared.stores.errors import StoreUnfit
from shared.work.retry import Transient, TransientError


def said(code: str, status: int = 400, reasons: tuple[str, ...] = ()) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "so it is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(answer, "TransactWriteItems")  # type: ignore[arg-type] # more than its type says


CANCELLED = "TransactionCanceledException"


@pytest.mark.parametrize(
    "error",
    [
        said("ProvisionedThroughputExceededException"),
        said("ThrottlingException"),
        said("RequestLimitExceeded"),
        said(CANCELLED, reasons=("None", "ThrottlingError")),
        said(CANCELLED, reasons=("ProvisionedThroughputExceeded", "None")),
    ],
)
def test_more_than_it_takes_is_throttling(error: Exception) -> None:
    meaning = translated(error, "boards")
    assert isinstance(meaning, TransientError)
    assert meaning.kind is Transient.THROTTLED


@pytest.mark.parametrize(
    "error",
    [
        said("InternalServerError", 500),
        said("AnythingElse", 503),
        said("TransactionInProgressException"),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        ReadTimeoutError(endpoint_url="http://nowhere"),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_no_answer_is_no_answer(error: Exception) -> None:
    meaning = translated(error, "boards")
    assert isinstance(meaning, TransientError)
    assert meaning.kind is Transient.CONNECTION_TIMEOUT


def test_why_a_transaction_was_cancelled() -> None:
    failed = translated(said(CANCELLED, reasons=("None", "ConditionalCheckFailed", "TransactionConflict")), "boards")
    assert isinstance(failed, ConditionFailed)
    assert failed.places == [1]
    assert isinstance(translated(said(CANCELLED, reasons=("TransactionConflict", "None")), "boards"), WriteConflict)
    assert isinstance(translated(said("TransactionConflictException"), "boards"), WriteConflict)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (said("ResourceNotFoundException"), r"no table 'boards' .* python -m services.leaderboard migrate"),
        (said("AccessDeniedException"), r"refuses the credentials \(AccessDeniedException\): so it is.*deploy/README"),
        (said("UnrecognizedClientException"), r"refuses the credentials"),
        (NoCredentialsError(), r"no credentials for DynamoDB.*AWS_ACCESS_KEY_ID"),
    ],
)
def test_what_an_operator_must_mend_says_how(error: Exception, says: str) -> None:
    meaning = translated(error, "boards")
    assert isinstance(meaning, StoreUnfit)
    with pytest.raises(StoreUnfit, match=says):
        raise meaning


def test_anything_else_is_a_bug() -> None:
    for error in (said("ValidationException"), said(CANCELLED, reasons=("ValidationError",)), KeyError("x")):
        assert isinstance(translated(error, "boards"), RuntimeError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (said(CANCELLED, reasons=("ConditionalCheckFailed",)), ""),
        (said(CANCELLED, reasons=("TransactionConflict",)), "WRITE_CONFLICT"),
        (said("ThrottlingException"), "THROTTLED"),
        (TimeoutError(), "CONNECTION_TIMEOUT"),
        (said("AccessDeniedException"), "UNFIT"),
        (said("ValidationException"), "ValidationException"),
    ],
)
def test_errors_are_counted_by_what_they_mean(error: Exception, kind: str) -> None:
    assert kind_of(translated(error, "boards"), error) == kind
