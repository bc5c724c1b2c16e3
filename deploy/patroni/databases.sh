#!/bin/sh
# Patroni's post_bootstrap: makes the services' role and databases on the new primary. $1 is how to connect to it.
set -eu
psql "$1" --set ON_ERROR_STOP=1 --set password="$SAVEPOINT_PASSWORD" <<'SQL'
-- In containers it is the superuser, whom Patroni has made.
SELECT format('CREATE ROLE savepoint LOGIN PASSWORD %L', :'password')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'savepoint') \gexec
-- So that a replica can say at once which timeline it follows (docs/adr/0014).
GRANT pg_monitor TO savepoint;
CREATE DATABASE profile OWNER savepoint;
CREATE DATABASE inventory OWNER savepoint;
CREATE DATABASE gamelog OWNER savepoint;
-- What the doctor reads the statistics of statements by.
\connect profile
CREATE EXTENSION pg_stat_statements;
\connect inventory
CREATE EXTENSION pg_stat_statements;
\connect gamelog
CREATE EXTENSION pg_stat_statements;
SQL
