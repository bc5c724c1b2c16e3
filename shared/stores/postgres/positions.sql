-- How far a server has come, and what keeps that from getting lost.

-- name: log_position (select none)
-- On a primary: how far its log is on the disk, which is behind every commit that was answered. With
-- synchronous_commit=off it is not, so there the end of what is written counts. On a replica: how far it has replayed.
--
-- A primary names its timeline in the name of its log file. A replica cannot ask for that; each of the three that it can
-- ask for tells of a timeline that it follows, and none of one that it does not.
SELECT system_identifier AS cluster,
       CASE WHEN pg_is_in_recovery()
            THEN GREATEST(
                (SELECT timeline_id FROM pg_control_checkpoint()),
                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                (SELECT received_tli FROM pg_stat_wal_receiver))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
       END AS timeline,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
            ELSE pg_current_wal_flush_lsn()
       END - '0/0'::pg_lsn AS lsn,
       -- A connection pooler names another one when a connection is opened.
       pg_backend_pid() AS process
FROM pg_control_system();

-- name: confirm_commits (insert none)
-- A commit of nothing, which waits for the synchronous standbys as every commit does. When it returns, they have
-- whatever could be seen before. Without synchronous standbys it does nothing.
SELECT pg_logical_emit_message(true, 'savepoint', '')
WHERE current_setting('synchronous_standby_names') <> '';
