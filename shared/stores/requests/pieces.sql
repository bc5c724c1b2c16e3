-- What the queries of all areas have in common: how an outcome is recorded, in the statement that has it. A query takes
-- a piece in by a line of its own, `-- include: recorded`, between two of its CTEs or after the last.

-- piece: recorded
-- Of one request. `outcome` has its answer or its refusal, in the column `answer`, or no row where nothing was done.
-- Where a racing twin has recorded the request already, it fails on requests_pkey, and the whole statement with it.
recorded AS (
    INSERT INTO requests (request_id)
    SELECT %(request_id)s
    FROM outcome
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT %(request_id)s, %(method)s, %(fingerprint)s, %(answer_version)s, answer
    FROM outcome
)

-- piece: answered
-- Of several requests, whose ids the query itself has inserted into `requests`, in their order, so that two statements
-- with the same requests wait and never deadlock. `outcome` has request_id, method, fingerprint and answer of each.
answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, method, fingerprint, %(answer_version)s, answer
    FROM outcome
)
