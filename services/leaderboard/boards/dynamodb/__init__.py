"""Boards in DynamoDB: docs/adr/0017-boards-in-dynamodb.md says why they lie there as they do."""
