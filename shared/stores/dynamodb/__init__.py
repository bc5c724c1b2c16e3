"""DynamoDB. What others need of it stands here; its driver is known inside this folder only."""

from shared.stores.dynamodb.client import MOST_WRITES, DynamoDb, connect
from shared.stores.dynamodb.failures import STORE, ConditionFailed, WriteConflict
from shared.stores.dynamodb.items import (
    PARTITION,
    SORT,
    Check,
    Delete,
    Item,
    Key,
    Page,
    Put,
    Query,
    Range,
    Update,
    Value,
    Write,
)
from shared.stores.dynamodb.table import EXPIRES, Access, migrate

__all__ = [
    "EXPIRES",
    "MOST_WRITES",
    "PARTITION",
    "SORT",
    "STORE",
    "Access",
    "Check",
    "ConditionFailed",
    "Delete",
    "DynamoDb",
    "Item",
    "Key",
    "Page",
    "Put",
    "Query",
    "Range",
    "Update",
    "Value",
    "Write",
    "WriteConflict",
    "connect",
    "migrate",
]
