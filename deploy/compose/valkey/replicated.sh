#!/bin/sh
# Runs Valkey as one of several servers of which Sentinel makes one the primary. Which one that is now, each server keeps
# in a file in its volume; before Sentinel has written there, $PRIMARY is it, an address.
set -eu
if [ ! -e /data/valkey.conf ]; then
  if [ "$ADDRESS" = "$PRIMARY" ]; then : > /data/valkey.conf; else echo "replicaof $PRIMARY 6379" > /data/valkey.conf; fi
fi
# Sentinel writes the password into it too, which may have changed.
sed -i '/^user default /d' /data/valkey.conf
shift # valkey-server
exec docker-entrypoint.sh valkey-server /data/valkey.conf "$@" --replica-announce-ip "$ADDRESS" --primaryauth "$PASSWORD"
