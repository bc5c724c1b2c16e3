-- What RecordMatch(10) writes: a match, its ten players, the request's record with its answer.
\set n random(0, :players - 10)
WITH match AS (
    INSERT INTO matches (match_id, game_mode, started_at, ended_at, winner_team)
    VALUES (uuidv7(), 'ranked', now() - interval '30 minutes', now(), 1)
    RETURNING *
), played AS (
    INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change,
                               xp_gained)
    SELECT match_id, bench_player(number), game_mode, started_at, 1 + number % 2, 12345, 12, 7, 25, 500
    FROM match, generate_series(:n::bigint, :n::bigint + 9) AS number
    RETURNING *
), request AS (
    SELECT gen_random_uuid() AS request_id
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM request
), answered AS (
    INSERT INTO request_answers (request_id, method, fingerprint, version, answer)
    SELECT request_id, '/savepoint.match.v1.MatchService/RecordMatch', sha256('bench'), 1,
           to_jsonb(match) || jsonb_build_object('players', (SELECT jsonb_agg(to_jsonb(played)) FROM played))
    FROM request, match
)
SELECT match_id
FROM match;
