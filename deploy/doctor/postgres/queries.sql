-- What the doctor asks. Everything is read from statistics and catalogs: no row of a table of ours is looked at, and
-- nothing waits for a lock on one, except to measure its size. A session of the services is one whose application_name
-- is "savepoint"; the doctor's own is left out.

-- name: server (select pg_control_system)
-- The identifier is the cluster's own, so two databases of one server are known to be that.
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS identifier,
       version() AS version,
       pg_is_in_recovery() AS replica,
       pg_postmaster_start_time()::text AS started,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
       extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS up_s

-- name: settings (select pg_settings)
SELECT name, setting, unit, pending_restart
FROM pg_settings

-- name: sessions (select pg_stat_activity)
SELECT coalesce(datname, '') AS database,
       application_name AS application,
       coalesce(state, 'unknown') AS state,
       count(*)::int AS sessions,
       (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS waiting_for_locks
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3
ORDER BY 4 DESC

-- name: lock_waits (select pg_locks)
-- Who waits, and for whom. A waiter stands once for each session that is in its way.
SELECT waiter.pid AS waiter,
       waiter.datname AS database,
       waiter.application_name AS application,
       waiter.query AS query,
       extract(epoch FROM clock_timestamp() - lock.waitstart)::float8 AS waited_s,
       blocker.pid AS blocker,
       blocker.application_name AS blocker_application,
       coalesce(blocker.state, 'prepared transaction') AS blocker_state,
       blocker.query AS blocker_query,
       extract(epoch FROM clock_timestamp() - blocker.xact_start)::float8 AS blocker_age_s
FROM pg_locks AS lock
JOIN pg_stat_activity AS waiter ON waiter.pid = lock.pid
CROSS JOIN LATERAL unnest(pg_blocking_pids(lock.pid)) AS in_the_way (pid)
LEFT JOIN pg_stat_activity AS blocker ON blocker.pid = in_the_way.pid
WHERE NOT lock.granted AND lock.waitstart < clock_timestamp() - make_interval(secs => %(waited_s)s)
ORDER BY waited_s DESC
LIMIT 100

-- name: transactions (select pg_stat_activity)
SELECT pid,
       datname AS database,
       application_name AS application,
       state,
       query,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s,
       extract(epoch FROM clock_timestamp() - state_change)::float8 AS in_state_s
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
ORDER BY age_s DESC
LIMIT 100

-- name: prepared_transactions (select pg_prepared_xacts)
SELECT gid, database, extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_s
FROM pg_prepared_xacts
ORDER BY age_s DESC
LIMIT 100

-- name: wraparound (select pg_database)
SELECT datname AS database,
       greatest(age(datfrozenxid), mxid_age(datminmxid)) AS age
FROM pg_database
WHERE datallowconn
ORDER BY age DESC
LIMIT 1

-- name: checkpoints (select pg_stat_checkpointer)
SELECT num_timed AS timed,
       num_requested AS requested,
       extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS since_s
FROM pg_stat_checkpointer

-- name: checkpoints_before_17 (select pg_stat_bgwriter)
SELECT checkpoints_timed AS timed,
       checkpoints_req AS requested,
       extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS since_s
FROM pg_stat_bgwriter

-- name: replicas (select pg_stat_replication)
-- Only on a primary: a replica with replicas of its own has no position that it writes.
SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text) AS name,
       state,
       sync_state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS behind_bytes,
       coalesce(extract(epoch FROM replay_lag), 0)::float8 AS lag_s
FROM pg_stat_replication
WHERE NOT pg_is_in_recovery()
ORDER BY name

-- name: slots (select pg_replication_slots)
SELECT slot_name AS name,
       active,
       wal_status,
       pg_wal_lsn_diff(
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
           restart_lsn)::bigint AS kept_bytes
FROM pg_replication_slots
ORDER BY kept_bytes DESC NULLS LAST

-- name: replay (select pg_stat_wal_receiver)
-- Of a replica. It is not behind as long as it has replayed all that it has received, however long ago that was.
SELECT (SELECT status FROM pg_stat_wal_receiver) AS receiver,
       pg_is_wal_replay_paused() AS paused,
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint AS behind_bytes,
       CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0) END::float8 AS lag_s

-- name: database (select pg_stat_database)
SELECT pg_database_size(datid) AS bytes,
       xact_commit AS commits,
       xact_rollback AS rollbacks,
       deadlocks,
       blks_hit AS blocks_hit,
       blks_read AS blocks_read,
       temp_bytes,
       extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS since_s
FROM pg_stat_database
WHERE datname = current_database()

-- name: applied_migrations (select schema_migrations)
SELECT version
FROM schema_migrations

-- name: extension (select pg_extension)
SELECT (SELECT nspname::text FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
        WHERE extname = 'pg_stat_statements') AS schema,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS available,
       EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.track') AS loaded

-- name: statements (select pg_stat_statements)
-- The schema that the extension was made in stands in place of {schema}.
SELECT query,
       calls,
       mean_exec_time AS mean_ms,
       max_exec_time AS max_ms,
       total_exec_time AS total_ms,
       rows
FROM {schema}.pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND query !~* '^\s*(vacuum|analyze|create|alter|drop|reindex|cluster|copy|refresh|checkpoint)\M'
  AND mean_exec_time >= %(mean_ms)s
ORDER BY total_exec_time DESC
LIMIT %(limit)s

-- name: scans (select pg_stat_user_tables)
SELECT schemaname AS schema,
       relname AS table,
       seq_scan AS scans,
       seq_tup_read AS rows_read,
       coalesce(idx_scan, 0) AS index_scans,
       n_live_tup AS rows
FROM pg_stat_user_tables
WHERE n_live_tup >= %(rows)s AND seq_scan >= %(scans)s
ORDER BY seq_tup_read DESC
LIMIT 10

-- name: indexes (select pg_index)
-- Those of the tables that the search path finds. One that is being built is not valid yet, and that is no illness.
SELECT i.relname AS name,
       t.relname AS table,
       indisvalid AND indisready AS valid,
       EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = indexrelid) AS being_built
FROM pg_index
JOIN pg_class AS i ON i.oid = indexrelid
JOIN pg_class AS t ON t.oid = indrelid
WHERE pg_table_is_visible(indrelid) AND t.relnamespace <> 'pg_catalog'::regnamespace
ORDER BY 1

-- name: unused_indexes (select pg_stat_user_indexes)
-- Never one that keeps something unique, nor one of a partition: that belongs to all of them.
SELECT s.relname AS table,
       s.indexrelname AS name,
       pg_relation_size(s.indexrelid) AS bytes,
       extract(epoch FROM now() - coalesce(
           (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
           pg_postmaster_start_time()))::float8 AS since_s
FROM pg_stat_user_indexes AS s
JOIN pg_index AS i USING (indexrelid)
JOIN pg_class AS c ON c.oid = s.indexrelid
WHERE s.idx_scan = 0 AND i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion AND NOT c.relispartition
ORDER BY bytes DESC
LIMIT 100

-- name: sizes (select pg_class)
-- The partitions of a table count as that table.
SELECT coalesce(pg_partition_root(oid), oid::regclass)::text AS table,
       sum(pg_table_size(oid))::bigint AS table_bytes,
       sum(pg_indexes_size(oid))::bigint AS indexes_bytes,
       sum(greatest(reltuples, 0))::bigint AS rows
FROM pg_class
WHERE relkind IN ('r', 'm', 'p') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
GROUP BY 1
ORDER BY sum(pg_total_relation_size(oid)) DESC
LIMIT 5

-- name: dead_rows (select pg_stat_user_tables)
-- How many dead rows there are, and from how many on autovacuum comes, by the table's own settings or the server's.
WITH tables AS (
    SELECT s.relname AS table,
           s.n_dead_tup AS dead,
           s.n_live_tup AS live,
           extract(epoch FROM now() - greatest(s.last_autovacuum, s.last_vacuum))::float8 AS vacuumed_s,
           (SELECT jsonb_object_agg(option_name, option_value) FROM pg_options_to_table(c.reloptions)) AS options
    FROM pg_stat_user_tables AS s
    JOIN pg_class AS c ON c.oid = s.relid
)
SELECT "table",
       dead,
       live,
       vacuumed_s,
       coalesce((options ->> 'autovacuum_enabled')::boolean, true) AND current_setting('autovacuum')::boolean AS vacuumed,
       coalesce((options ->> 'autovacuum_vacuum_threshold')::float8,
                current_setting('autovacuum_vacuum_threshold')::float8)
       + coalesce((options ->> 'autovacuum_vacuum_scale_factor')::float8,
                  current_setting('autovacuum_vacuum_scale_factor')::float8) * live AS threshold
FROM tables
WHERE dead >= %(dead)s OR options ? 'autovacuum_enabled'
ORDER BY dead DESC
LIMIT 100
