-- Every query about request records, except those that write an outcome: these are part of each effect (pieces.sql).

-- name: find_requests (select requests) -- only: postgresql
-- An effect is guarded by NOT EXISTS on its request_id, so a plain repeat changes nothing and a racing one fails on the
-- primary key; then the record is looked up here. By created_at PostgreSQL finds the one partition that has the answer.
-- Without LIMIT the planner, which knows little of new partitions, might read all of them for a hash join. Records of
-- 0.1 have their answer in `requests` itself.
SELECT request_id,
       COALESCE(a.method, r.method) AS method,
       COALESCE(a.fingerprint, r.fingerprint) AS fingerprint,
       COALESCE(a.version, 1) AS version,
       COALESCE(a.answer, r.answer)::text AS answer
FROM requests r
LEFT JOIN LATERAL (
    SELECT method, fingerprint, version, answer
    FROM request_answers
    WHERE created_at = r.created_at AND request_id = r.request_id
    LIMIT 1
) a ON true
WHERE request_id = ANY(%(request_ids)s) AND (a.answer IS NOT NULL OR r.answer IS NOT NULL);

-- name: find_requests (select requests) -- only: cockroachdb
SELECT request_id, method, fingerprint, version, answer::text AS answer
FROM requests
WHERE request_id = ANY(%(request_ids)s::uuid[]);

-- name: record_refusal (insert requests)
-- For a request that the service itself refused, not its SQL.
WITH asked AS (
    SELECT %(request_id)s::uuid AS request_id, %(method)s::text AS method, %(fingerprint)s::bytea AS fingerprint,
           %(answer)s::jsonb AS answer
    WHERE clock_timestamp() <= %(not_after)s
),
-- include: recorded_first
, outcome AS (
    SELECT asked.*
    FROM recorded
    JOIN asked USING (request_id)
)
-- include: and_answered
SELECT request_id
FROM outcome;

-- name: make_request_partitions (select request_answers) -- only: postgresql
SELECT make_request_partitions(%(days_ahead)s) AS made;

-- name: find_cutoff (select requests)
-- Whole days in UTC, because whole partitions are dropped. UTC is the time zone of every connection.
SELECT date_trunc('day', now()) - interval '24 hours' * %(kept_days)s::int4 AS forgotten_before;

-- name: forget_requests (delete requests)
-- Replicas that forget at the same time share the work.
DELETE FROM requests
WHERE request_id IN (
    SELECT request_id
    FROM requests
    WHERE created_at < %(forgotten_before)s
    ORDER BY created_at
    LIMIT %(at_once)s
    FOR UPDATE SKIP LOCKED);

-- name: forget_default_answers (delete request_answers_default) -- only: postgresql
DELETE FROM request_answers_default
WHERE (created_at, request_id) IN (
    SELECT created_at, request_id FROM request_answers_default
    WHERE created_at < %(forgotten_before)s
    ORDER BY created_at
    LIMIT %(at_once)s
    FOR UPDATE SKIP LOCKED);

-- name: drop_request_partition (delete request_answers) -- only: postgresql
SELECT drop_request_partition(%(forgotten_before)s) AS dropped;
