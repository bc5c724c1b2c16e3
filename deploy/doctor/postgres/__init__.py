"""What can be ill about a PostgreSQL, and about the database of a service in it."""
