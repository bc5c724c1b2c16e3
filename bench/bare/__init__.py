"""The bare store operation: what PostgreSQL or Valkey does of an operation, with no service before it."""
