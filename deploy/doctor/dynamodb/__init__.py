"""What can be ill about a table in DynamoDB."""
