"""Players in Valkey, beside the database."""
