-- What the queries of all areas have in common: how an outcome is recorded, in the statement that has it. A query takes
-- a piece in by a line of its own, `-- include: recorded`, between two of its CTEs or after the last.
--
-- On PostgreSQL a record is two rows (docs/adr/0009-request-records.md), on CockroachDB one: nothing has partitions there.

-- piece: impatient (postgresql)
-- In the CTE that everything of a shared statement begins with. No SKIP LOCKED helps where another transaction is just
-- inserting what this one inserts: a name, a new item, a match_id, a request_id. Rather than wait for the end of that
-- transaction, the statement fails as a whole, and each of its requests is done alone (Query.patient).
AND (SELECT set_config('lock_timeout', '100ms', true)) IS NOT NULL

-- piece: impatient (cockroachdb)
-- The same bound, of half a second, is a setting of the connection (dialect.py).

-- piece: recorded (postgresql)
-- For a query about one request. `outcome` has its answer or its refusal, in the column `answer`, or no row where
-- nothing was done. If a racing twin has recorded the request already, the insert fails on requests_pkey, and with it
-- the whole statement.
recorded AS (
    INSERT INTO requests (request_id)
    SELECT %(request_id)s
    FROM outcome
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT %(request_id)s, %(method)s, %(fingerprint)s, %(answer_version)s, answer
    FROM outcome
)

-- piece: recorded (cockroachdb)
recorded AS (
    INSERT INTO requests (request_id, method, fingerprint, version, answer)
    SELECT %(request_id)s::uuid, %(method)s::text, %(fingerprint)s::bytea, %(answer_version)s::int2, answer
    FROM outcome
)

-- piece: recorded_each (postgresql)
-- For a query about several requests. `outcome` has request_id, method, fingerprint and answer of each. The ids go in in
-- their order, so that two statements with the same requests wait for each other and never deadlock.
recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM outcome
    ORDER BY request_id
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s, answer
    FROM outcome
)

-- piece: recorded_each (cockroachdb)
recorded AS (
    INSERT INTO requests (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s::int2, answer
    FROM outcome
    ORDER BY request_id
)

-- piece: recorded_first (postgresql)
-- For a query that leaves requests out whose record is there already, even if a twin writes it just now. `asked` has
-- request_id, method, fingerprint and answer of each; RETURNING tells those that are new. `and_answered` belongs to it.
recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM asked
    ORDER BY request_id
    ON CONFLICT (request_id) DO NOTHING
    RETURNING request_id
)

-- piece: recorded_first (cockroachdb)
recorded AS (
    INSERT INTO requests (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s::int2, answer
    FROM asked
    ORDER BY request_id
    ON CONFLICT (request_id) DO NOTHING
    RETURNING request_id
)

-- piece: and_answered (postgresql)
-- `outcome` has request_id, method, fingerprint and answer of each request that is new.
, answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s, answer
    FROM outcome
)

-- piece: and_answered (cockroachdb)
