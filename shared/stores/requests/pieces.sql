-- What the queries of all areas have in common: how an outcome is recorded, in the statement that has it. A query takes
-- a piece in by a line of its own, `-- include: recorded`, between two of its CTEs or after the last.

-- piece: impatient
-- In the CTE that everything of a shared statement begins with. No SKIP LOCKED helps where another transaction is just
-- inserting what this one inserts: a name, a new item, a match_id, a request_id. Rather than wait for the end of that
-- transaction, the statement fails as a whole, and each of its requests is done alone (Query.patient).
AND (SELECT set_config('lock_timeout', '100ms', true)) IS NOT NULL

-- piece: recorded
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

-- piece: recorded_each
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

-- piece: answered
-- For a query about several requests that has inserted their ids into `requests` itself. `outcome` has request_id,
-- method, fingerprint and answer of each.
answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s, answer
    FROM outcome
)
