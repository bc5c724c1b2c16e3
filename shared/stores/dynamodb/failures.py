"""The one table from what DynamoDB and its driver say to what it means here."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from shared.stores.errors import StoreUnfit
from shared.work.retry import Transient, TransientError

STORE = "dynamodb"

# More than the table, a partition of it, or the account takes right now.
_THROTTLED = {
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
}
_DOWN = {
    "InternalFailure",
    "InternalServerError",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    # The same transaction, sent again under its token, is still at work.
    "TransactionInProgressException",
}
_REFUSED = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "UnrecognizedClientException",
}
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)


class ConditionFailed(Exception):
    """Conditions of a transaction did not hold, and nothing of it happened; `places` are their places in it."""

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__(f"conditions {list(places)} do not hold")
        self.places = places


class WriteConflict(Exception):
    """Another write was at work on the same items, and nothing of this one happened; it may work a moment later."""


def missing_table(table: str) -> StoreUnfit:
    """There is no such table."""
    return StoreUnfit(
        f"DynamoDB has no table {table!r} in this region: make it with: python -m services.leaderboard migrate "
        "(DYNAMODB_TABLE and AWS_REGION say which table it is)"
    )


def kind_of(meaning: Exception, error: Exception) -> str:
    """What an error of the driver is called in metrics, given what it means; "" for what is none: a condition that does
    not hold is how one of two writers learns of the other."""
    match meaning:
        case ConditionFailed():
            return ""
        case WriteConflict():
            return "WRITE_CONFLICT"
        case TransientError(kind=kind):
            return kind.value
        case StoreUnfit():
            return "UNFIT"
        case _:
            return _code(error) if isinstance(error, ClientError) else type(error).__name__


def translated(error: Exception, table: str) -> Exception:
    """What an error of the driver means: TransientError, ConditionFailed, WriteConflict, StoreUnfit, or RuntimeError
    for a request that should not have been made."""
    if isinstance(error, ClientError):
        return _refusal(error, table)
    if isinstance(error, _NO_CREDENTIALS):
        return StoreUnfit(
            f"no credentials for DynamoDB: {error}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this host "
            "a role"
        )
    if isinstance(error, BotoCoreError | OSError | TimeoutError):
        return TransientError(Transient.CONNECTION_TIMEOUT)
    return RuntimeError(f"dynamodb: {type(error).__name__}: {error}")


def _refusal(error: ClientError, table: str) -> Exception:
    code = _code(error)
    message = str(error.response["Error"].get("Message", ""))
    if code == "TransactionCanceledException":
        return _cancelled(error.response.get("CancellationReasons") or (), message)
    if code in _THROTTLED:
        return TransientError(Transient.THROTTLED)
    if code in _DOWN or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return TransientError(Transient.CONNECTION_TIMEOUT)
    if code == "TransactionConflictException":
        return WriteConflict()
    if code == "ResourceNotFoundException":
        return missing_table(table)
    if code in _REFUSED:
        return StoreUnfit(
            f"DynamoDB refuses the credentials ({code}): {message}. They must be allowed what deploy/README.md lists"
        )
    return RuntimeError(f"dynamodb refused a request: {code}: {message}")


def _cancelled(reasons: Sequence[Any], message: str) -> Exception:
    codes = [str(reason.get("Code") or "None") for reason in reasons]
    if failed := [place for place, code in enumerate(codes) if code == "ConditionalCheckFailed"]:
        return ConditionFailed(failed)
    if "TransactionConflict" in codes:
        return WriteConflict()
    if any(code in _THROTTLED for code in codes):
        return TransientError(Transient.THROTTLED)
    return RuntimeError(f"dynamodb cancelled a transaction: {message}")


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", "Unknown"))
