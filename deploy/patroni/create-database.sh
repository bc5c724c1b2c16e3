#!/bin/bash
# Makes the database of a new cluster; $1 is how to reach its primary.
set -eu
psql -X -v ON_ERROR_STOP=1 -d "$1" -c "CREATE DATABASE $POSTGRES_DB"
