#!/bin/sh
# Makes a cluster of the servers that are named, in which every shard has one replica. It is run at each `up`, and does so
# only once. It ends when every slot is served.
set -eu
first=$1

cli() { valkey-cli -a "$PASSWORD" --no-auth-warning "$@"; }
of_first() { cli -h "${first%:*}" -p "${first#*:}" "$@"; }

if of_first cluster info | grep -q '^cluster_slots_assigned:0'; then
  cli --cluster create "$@" --cluster-replicas 1 --cluster-yes
fi
for _ in $(seq 60); do
  if of_first cluster info | grep -q '^cluster_state:ok'; then exit 0; fi
  sleep 1
done
of_first cluster info >&2
exit 1
