-- What BatchApplyProgress(10) writes: ten players' rows, the request's record with its answer.
\set n random(0, :players - 10)
WITH locked AS (
    SELECT player_id, mmr, xp, level
    FROM players
    WHERE player_id = ANY(ARRAY(SELECT bench_player(number) FROM generate_series(:n::bigint, :n::bigint + 9) AS number))
    ORDER BY player_id
    FOR NO KEY UPDATE
), applied AS (
    UPDATE players p
    SET mmr = GREATEST(0, locked.mmr + 25),
        xp = locked.xp + 100,
        level = GREATEST(locked.level, 1 + (locked.xp + 100) / 1000),
        version = nextval('player_versions')
    FROM locked
    WHERE p.player_id = locked.player_id
    RETURNING p.*
), request AS (
    SELECT gen_random_uuid() AS request_id
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM request
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.profile.v1.ProfileService/BatchApplyProgress', sha256('bench'), 1,
           jsonb_agg(to_jsonb(applied))
    FROM request, applied
    GROUP BY request_id
)
SELECT *
FROM applied;
