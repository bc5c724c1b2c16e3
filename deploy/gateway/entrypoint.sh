#!/bin/sh
# Renders the template from the environment and becomes Envoy: for a container, where there is no Python.
# With --print it prints the configuration instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
config=/tmp/savepoint-gateway.yaml

render() {
  sed \
    -e "s|[$]{GATEWAY_HOST}|${GATEWAY_HOST:-0.0.0.0}|" \
    -e "s|[$]{GATEWAY_PORT}|${GATEWAY_PORT:-8080}|" \
    -e "s|[$]{METRICS_HOST}|${METRICS_HOST:-0.0.0.0}|" \
    -e "s|[$]{METRICS_PORT}|${METRICS_PORT:-9464}|" \
    -e "s|[$]{PROFILE_HOST}|${PROFILE_HOST:-profile}|" \
    -e "s|[$]{PROFILE_PORT}|${PROFILE_PORT:-50051}|" \
    -e "s|[$]{INVENTORY_HOST}|${INVENTORY_HOST:-inventory}|" \
    -e "s|[$]{INVENTORY_PORT}|${INVENTORY_PORT:-50052}|" \
    -e "s|[$]{LEADERBOARD_HOST}|${LEADERBOARD_HOST:-leaderboard}|" \
    -e "s|[$]{LEADERBOARD_PORT}|${LEADERBOARD_PORT:-50053}|" \
    -e "s|[$]{GAMELOG_HOST}|${GAMELOG_HOST:-gamelog}|" \
    -e "s|[$]{GAMELOG_PORT}|${GAMELOG_PORT:-50054}|" \
    -e "s|[$]{ADMIN_SOCKET}|${ADMIN_SOCKET:-/tmp/savepoint-gateway.sock}|" \
    -e "s|[$]{HEALTH_LUA}|${HEALTH_LUA:-$here/health.lua}|" \
    "$here/envoy.yaml.tmpl"
}

if [ "${1:-}" = --print ]; then
  render
  exit
fi
render > "$config"
exec envoy --config-path "$config" --disable-hot-restart --log-level warning "$@"
