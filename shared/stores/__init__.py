"""The databases: PostgreSQL, Valkey, and the records of requests. Their drivers are known in here only."""
