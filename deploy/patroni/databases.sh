#!/bin/sh
# Patroni's post_bootstrap: makes the services' role and databases on the new primary. $1 is how to connect to it.
set -eu
psql "$1" --set ON_ERROR_STOP=1 --set password="$SAVEPOINT_PASSWORD" <<'SQL'
CREATE ROLE savepoint LOGIN PASSWORD :'password';
-- So that a replica can say at once which timeline it follows (docs/adr/0014).
GRANT pg_monitor TO savepoint;
CREATE DATABASE profile OWNER savepoint;
CREATE DATABASE inventory OWNER savepoint;
SQL
