#!/bin/sh
# Runs a Sentinel. What it has learned (which server is the primary now, who the other Sentinels are) it keeps in its
# volume; before that, $PRIMARY is the primary, an address.
set -eu
file=/data/sentinel.conf
if [ ! -e "$file" ]; then
  cat > "$file.new" <<CONF
sentinel monitor leaderboard $PRIMARY 6379 2
sentinel down-after-milliseconds leaderboard 2000
sentinel failover-timeout leaderboard 3000
CONF
  mv "$file.new" "$file"
fi
# The password may have changed.
sed -i -E '/^(requirepass|user default|sentinel auth-pass|sentinel sentinel-pass) /d' "$file"
cat >> "$file" <<CONF
requirepass $PASSWORD
sentinel auth-pass leaderboard $PASSWORD
sentinel sentinel-pass $PASSWORD
CONF
exec docker-entrypoint.sh valkey-server "$file" --sentinel --port 26379
