-- Every query about events. `pieces.sql` beside this file has what several of them say alike.
--
-- Each list has a query for each index that may serve it, since all of them run by one plan whatever their values are
-- (plan_cache_mode, shared/stores/postgres/pool.py): of two filters the narrower one goes by its index, the other one
-- is looked at row by row.

-- name: append_events (insert events)
-- Many events, of one caller or several; no id twice. Their ids go in in their order, so that two statements with the
-- same ids wait for each other and never deadlock. The time is checked once: it must not run out in the middle. Answers
-- how many were looked at, none where it came too late, and the places of those whose id was there already.
WITH asked AS (
    SELECT *
    FROM json_to_recordset(%(asked)s::json) AS asked (
        place integer, event_id uuid, fingerprint uuid, time timestamptz, type text, player_id uuid, match_id uuid,
        payload jsonb)
    WHERE (SELECT clock_timestamp() <= %(not_after)s)
), fresh AS (
    INSERT INTO event_ids (event_id, fingerprint, time)
    SELECT event_id, fingerprint, time
    FROM asked
    ORDER BY event_id
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
), stored AS (
    INSERT INTO events (time, event_id, player_id, match_id, place, type, payload)
    SELECT time, event_id, player_id, match_id, place, type, payload
    FROM asked
    JOIN fresh USING (event_id)
)
SELECT count(*) AS asked, COALESCE(array_agg(place) FILTER (WHERE fresh.event_id IS NULL), '{}') AS known
FROM asked
LEFT JOIN fresh USING (event_id);

-- name: find_fingerprints (select event_ids)
SELECT event_id::text, replace(fingerprint::text, '-', '') AS fingerprint
FROM event_ids
WHERE event_id = ANY(%(event_ids)s::uuid[]);

-- name: query_newest (select events)
SELECT
-- include: event
FROM events
WHERE (time, event_id) < (%(after)s::timestamptz, %(after_id)s::uuid) AND time >= %(start)s
ORDER BY time DESC, events.event_id DESC
LIMIT %(limit)s;

-- name: query_oldest (select events)
SELECT
-- include: event
FROM events
WHERE (time, event_id) > (%(after)s::timestamptz, %(after_id)s::uuid) AND time < %(end)s
ORDER BY time, events.event_id
LIMIT %(limit)s;

-- name: query_newest_of_player (select events)
SELECT
-- include: event
FROM events
WHERE player_id = %(player_id)s::uuid
  AND (time, event_id) < (%(after)s::timestamptz, %(after_id)s::uuid) AND time >= %(start)s
  -- include: of_match_and_types
ORDER BY time DESC, events.event_id DESC
LIMIT %(limit)s;

-- name: query_oldest_of_player (select events)
SELECT
-- include: event
FROM events
WHERE player_id = %(player_id)s::uuid
  AND (time, event_id) > (%(after)s::timestamptz, %(after_id)s::uuid) AND time < %(end)s
  -- include: of_match_and_types
ORDER BY time, events.event_id
LIMIT %(limit)s;

-- name: query_newest_of_match (select events)
SELECT
-- include: event
FROM events
WHERE match_id = %(match_id)s::uuid
  AND (time, event_id) < (%(after)s::timestamptz, %(after_id)s::uuid) AND time >= %(start)s
  -- include: of_types
ORDER BY time DESC, events.event_id DESC
LIMIT %(limit)s;

-- name: query_oldest_of_match (select events)
SELECT
-- include: event
FROM events
WHERE match_id = %(match_id)s::uuid
  AND (time, event_id) > (%(after)s::timestamptz, %(after_id)s::uuid) AND time < %(end)s
  -- include: of_types
ORDER BY time, events.event_id
LIMIT %(limit)s;

-- name: query_newest_of_types (select events)
-- As many as wanted of each type, by the index; the newest of all of these.
SELECT
-- include: event
FROM unnest(%(types)s::text[]) AS wanted (type)
CROSS JOIN LATERAL (
    SELECT *
    FROM events
    WHERE events.type = wanted.type
      AND (time, event_id) < (%(after)s::timestamptz, %(after_id)s::uuid) AND time >= %(start)s
    ORDER BY time DESC, event_id DESC
    LIMIT %(limit)s
) AS events
ORDER BY time DESC, events.event_id DESC
LIMIT %(limit)s;

-- name: query_oldest_of_types (select events)
SELECT
-- include: event
FROM unnest(%(types)s::text[]) AS wanted (type)
CROSS JOIN LATERAL (
    SELECT *
    FROM events
    WHERE events.type = wanted.type
      AND (time, event_id) > (%(after)s::timestamptz, %(after_id)s::uuid) AND time < %(end)s
    ORDER BY time, event_id
    LIMIT %(limit)s
) AS events
ORDER BY time, events.event_id
LIMIT %(limit)s;

-- name: aggregate (select events)
WITH found AS (
    SELECT time, type, payload
    FROM events
    WHERE time >= %(since)s AND time < %(end)s
      -- include: of_types
)
-- include: aggregated

-- name: aggregate_of_player (select events)
WITH found AS (
    SELECT time, type, payload
    FROM events
    WHERE player_id = %(player_id)s::uuid AND time >= %(since)s AND time < %(end)s
      -- include: of_match_and_types
)
-- include: aggregated

-- name: aggregate_of_match (select events)
WITH found AS (
    SELECT time, type, payload
    FROM events
    WHERE match_id = %(match_id)s::uuid AND time >= %(since)s AND time < %(end)s
      -- include: of_types
)
-- include: aggregated

-- name: end_of_log (select events)
-- Every transaction before this one has ended: what it has written is to be seen, and nothing can come any more.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS running;

-- name: read_log (select events)
-- A part of the log in the order in which its transactions began. Transactions commit in another order: so it is read
-- only up to one before which no other still runs (end_of_log). Of what does not fit, only the last row is answered, to
-- tell how far this has come.
SELECT written::text, place, fits,
-- include: event
FROM (
    SELECT *,
           (%(player_id)s::uuid IS NULL OR player_id = %(player_id)s::uuid) IS TRUE
               AND (%(match_id)s::uuid IS NULL OR match_id = %(match_id)s::uuid) IS TRUE
               AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[])) AS fits,
           lead(place) OVER (ORDER BY written, place) IS NULL AS is_last
    FROM (
        SELECT *
        FROM events
        WHERE (written, place) > (%(write)s::xid8, %(place)s::integer) AND written <= %(last_write)s::xid8
        ORDER BY written, place
        LIMIT %(limit)s
    ) AS part
) AS events
WHERE fits OR is_last
-- By the number: the column of that name in the answer is text, and "999" comes after "1000" in it.
ORDER BY events.written, events.place;

-- name: make_event_partitions (select events)
SELECT make_event_partitions(%(days)s::date[]) AS made;

-- name: forget_event_ids (delete event_ids)
-- Replicas that forget at the same time share the work.
DELETE FROM event_ids
WHERE event_id IN (
    SELECT event_id
    FROM event_ids
    WHERE time < %(forgotten_before)s
    ORDER BY time
    LIMIT 10000
    FOR UPDATE SKIP LOCKED);

-- name: forget_default_events (delete events_default)
DELETE FROM events_default
WHERE (time, event_id) IN (
    SELECT time, event_id
    FROM events_default
    WHERE time < %(forgotten_before)s
    ORDER BY time
    LIMIT 10000
    FOR UPDATE SKIP LOCKED);

-- name: drop_event_partition (delete events)
SELECT drop_event_partition(%(forgotten_before)s) AS dropped;
