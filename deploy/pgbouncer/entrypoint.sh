#!/bin/sh
# Writes the file of users, of which there is one, and becomes PgBouncer.
set -eu
umask 077
printf '"savepoint" "%s"\n' "$PASSWORD" > /tmp/userlist.txt
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
