#!/bin/sh
# Runs Valkey as one of several servers of which Sentinel makes one the primary. Which one that is now, the Sentinels say;
# where none answers, what is written in this server's volume counts; and at the very first, $PRIMARY is it, an address.
set -eu
file=/data/valkey.conf

# What most Sentinels say.
primary() {
  for sentinel in $SENTINELS; do
    timeout 2 valkey-cli -h "$sentinel" -p 26379 -a "$PASSWORD" --no-auth-warning \
      sentinel get-primary-addr-by-name leaderboard 2> /dev/null | head -n 1 | grep -E '^[0-9.]+$' || true
  done | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}'
}

[ -e "$file" ] || echo "replicaof $PRIMARY 6379" > "$file"
now=$(primary)
# A primary that was replaced while it was away comes back as a replica: nobody may find, or follow, what it has.
if [ -n "$now" ]; then sed -i "/^replicaof /d" "$file"; echo "replicaof $now 6379" >> "$file"; fi
sed -i "/^replicaof $ADDRESS /d" "$file"
# Sentinel has the password written there too, which may have changed.
sed -i '/^user default /d' "$file"
shift # valkey-server
exec docker-entrypoint.sh valkey-server "$file" "$@" --replica-announce-ip "$ADDRESS" --primaryauth "$PASSWORD"
