#!/bin/bash
# Runs one of two PostgreSQL servers, $SERVER and $OTHER, as the primary or as a streaming replica of it: $PRIMARY says
# which of the two is the primary.
#
# An empty volume is filled: by the image where this server is the primary, with a copy of the primary where it is not.
# What a volume holds is never replaced, and there are never two primaries: a server that does not fit what PRIMARY says
# refuses to start.
set -euo pipefail

# Nothing that is asked over the network waits for longer.
export PGCONNECT_TIMEOUT=5 PGPASSWORD=$POSTGRES_PASSWORD
slot=${SERVER//-/_}

refuse() { echo "$SERVER does not start: $1" >&2; exit 1; }

ask() { psql -XAtq -v ON_ERROR_STOP=1 -h "$1" -U "$POSTGRES_USER" -d postgres -c "$2"; }

# Copies the primary, aside at first: a copy that is broken off leaves nothing that looks complete.
copy() {
  local aside=$PGDATA.new
  for _ in $(seq 60); do pg_isready -q -h "$PRIMARY" && break; sleep 1; done
  # The primary keeps its log for this server from now on.
  ask "$PRIMARY" "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot'"
  ask "$PRIMARY" "SELECT pg_create_physical_replication_slot('$slot', true)" > /dev/null
  gosu postgres mkdir -p "$(dirname "$PGDATA")"
  rm -rf "$aside"
  gosu postgres pg_basebackup --host "$PRIMARY" --username "$POSTGRES_USER" --pgdata "$aside" --slot "$slot" \
    --wal-method stream --checkpoint fast
  gosu postgres touch "$aside/standby.signal"
  mv "$aside" "$PGDATA"
}

if [ "$SERVER" != "$PRIMARY" ]; then
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    copy
  elif [ ! -e "$PGDATA/standby.signal" ]; then
    refuse "it shall follow $PRIMARY, and its volume holds the data of a primary. Delete the volume, and it becomes a copy"
  fi
  # The password is read from the environment, so it stands in no file.
  set -- "$@" -cprimary_conninfo="host=$PRIMARY user=$POSTGRES_USER application_name=$SERVER" \
    -cprimary_slot_name="$slot" -chot_standby_feedback=on
elif [ -e "$PGDATA/standby.signal" ]; then
  refuse "it shall be the primary, and its volume holds the data of a replica. Promote a replica while it runs"
elif [ "$(ask "$OTHER" 'SELECT pg_is_in_recovery()' 2> /dev/null)" = f ]; then
  refuse "it shall be the primary, and $OTHER was promoted and is one already"
fi
exec docker-entrypoint.sh "$@"
