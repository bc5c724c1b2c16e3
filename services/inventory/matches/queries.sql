-- Every query about matches. The RPC, the store's method and the query share one name.
--
-- A match is written from the JSON that its request records as the answer, so the two cannot differ. A match changes
-- only once, when it is finished; finish_match relies on that, and builds the finished match from what was read before.
-- After `not_after`, when the call's deadline is over, nothing is written and nothing recorded.

-- name: record_match (insert matches)
-- Many matches in one statement, each under its own request. StartMatch too: its match has no ended_at yet. A repeated
-- request, even a racing one, stops at its record. Records are written in the order of their ids, so that two
-- statements with the same requests wait and never deadlock. `earlier_s` says how many seconds a request's own deadline
-- is before that of the statement.
WITH asked AS (
    SELECT request_id, method, decode(fingerprint, 'hex') AS fingerprint, match AS answer
    FROM jsonb_to_recordset(%(asked)s::jsonb)
         AS asked (request_id uuid, method text, fingerprint text, earlier_s float8, match jsonb)
    WHERE clock_timestamp() <= %(not_after)s - make_interval(secs => earlier_s)
    -- include: impatient
), recorded AS (
    INSERT INTO requests (request_id)
    SELECT request_id
    FROM asked
    ORDER BY request_id
    ON CONFLICT (request_id) DO NOTHING
    RETURNING request_id
), outcome AS (
    SELECT asked.*
    FROM recorded
    JOIN asked USING (request_id)
), match AS (
    INSERT INTO matches (match_id, game_mode, started_at, ended_at, winner_team, metadata)
    SELECT m.match_id, m.game_mode, m.started_at, m.ended_at, m.winner_team, m.metadata::jsonb
    FROM outcome, jsonb_to_record(answer) AS m (
        match_id uuid, game_mode text, started_at timestamptz, ended_at timestamptz, winner_team integer, metadata text)
), players AS (
    INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change,
                               xp_gained)
    SELECT m.match_id, p.player_id, m.game_mode, m.started_at, p.team, p.score, p.kills, p.deaths, p.mmr_change,
           p.xp_gained
    FROM outcome, jsonb_to_record(answer) AS m (
        match_id uuid, game_mode text, started_at timestamptz, players jsonb),
    jsonb_to_recordset(m.players) AS p (
        player_id uuid, team integer, score bigint, kills bigint, deaths bigint, mmr_change integer, xp_gained bigint)
),
-- include: answered
SELECT request_id
FROM outcome;

-- name: finish_match (update matches)
-- Refuses a match that another call has finished since it was read.
WITH asked AS (
    SELECT %(match)s::jsonb AS match
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
), finished AS (
    UPDATE matches
    SET ended_at = (match ->> 'ended_at')::timestamptz,
        winner_team = (match ->> 'winner_team')::integer
    FROM asked
    WHERE match_id = (match ->> 'match_id')::uuid AND matches.ended_at IS NULL
    RETURNING match_id, game_mode, started_at, match
), players AS (
    INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change,
                               xp_gained)
    SELECT match_id, p.player_id, game_mode, started_at, p.team, p.score, p.kills, p.deaths, p.mmr_change, p.xp_gained
    FROM finished, jsonb_to_recordset(match -> 'players') AS p (
        player_id uuid, team integer, score bigint, kills bigint, deaths bigint, mmr_change integer, xp_gained bigint)
    ON CONFLICT (match_id, player_id) DO UPDATE
    SET team = EXCLUDED.team, score = EXCLUDED.score, kills = EXCLUDED.kills, deaths = EXCLUDED.deaths,
        mmr_change = EXCLUDED.mmr_change, xp_gained = EXCLUDED.xp_gained
), outcome AS (
    SELECT COALESCE(finished.match, jsonb_build_object('refusal', jsonb_build_object(
               'kind', 'PRECONDITION',
               'reason', 'MATCH_FINISHED',
               'message', 'the match is finished already; its result stays as it is',
               'metadata', jsonb_build_object('match_id', asked.match ->> 'match_id')))) AS answer
    FROM asked
    LEFT JOIN finished ON true
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: get_matches (select matches)
-- With their players, in the order of the ids.
SELECT json_build_object(
           'match_id', match_id,
           'game_mode', game_mode,
           'started_at', started_at,
           'ended_at', ended_at,
           'winner_team', winner_team,
           'metadata', metadata::text,
           'players', (
               SELECT json_agg(json_build_object(
                          'player_id', p.player_id, 'team', p.team, 'score', p.score, 'kills', p.kills,
                          'deaths', p.deaths, 'mmr_change', p.mmr_change, 'xp_gained', p.xp_gained)
                      ORDER BY p.team, p.player_id)
               FROM match_players p
               WHERE p.match_id = matches.match_id)
       )::text AS match
FROM unnest(%(match_ids)s::uuid[]) WITH ORDINALITY AS wanted (match_id, place)
JOIN matches USING (match_id)
ORDER BY place;

-- name: list_matches (select matches)
SELECT started_at, match_id
FROM matches
WHERE (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_game_mode (select matches)
SELECT started_at, match_id
FROM matches
WHERE game_mode = %(game_mode)s AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_player (select match_players)
SELECT started_at, match_id
FROM match_players
WHERE player_id = %(player_id)s AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_player_and_game_mode (select match_players)
SELECT started_at, match_id
FROM match_players
WHERE player_id = %(player_id)s AND game_mode = %(game_mode)s
  AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;
