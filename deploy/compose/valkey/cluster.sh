#!/bin/sh
# Makes a cluster of the nodes that are named, a third of them replicas each of another's shard; run at each `up`, it
# does so only once. It ends when the cluster serves every slot.
set -eu
export REDISCLI_AUTH="$PASSWORD" VALKEYCLI_AUTH="$PASSWORD"
