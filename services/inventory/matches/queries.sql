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
    -- include: asked_matches
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
    -- include: impatient
),
-- include: recorded_first
, outcome AS (
    SELECT asked.*
    FROM recorded
    JOIN asked USING (request_id)
), match AS (
    INSERT INTO matches (match_id, game_mode, started_at, ended_at, winner_team, metadata)
    -- include: recorded_matches
), players AS (
    INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change,
                               xp_gained)
    -- include: recorded_match_players
)
-- include: and_answered
SELECT request_id
FROM outcome;

-- name: finish_match (update matches)
-- Refuses a match that another call has finished since it was read.
WITH asked AS (
    SELECT %(match)s::jsonb AS match
    WHERE NOT EXISTS (SELECT 1 FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
), finished AS (
    UPDATE matches
    SET ended_at = (match ->> 'ended_at')::timestamptz,
        winner_team = (match ->> 'winner_team')::int4
    FROM asked
    WHERE match_id = (match ->> 'match_id')::uuid AND matches.ended_at IS NULL
    RETURNING match_id, game_mode, started_at, match
), players AS (
    INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths, mmr_change,
                               xp_gained)
    -- include: finished_match_players
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
-- include: matches_wanted
ORDER BY place;

-- name: get_past_matches (select matches)
-- Likewise, maybe some seconds old.
-- include: matches_wanted
-- include: in_the_past
ORDER BY place;

-- name: list_matches (select matches)
SELECT started_at, match_id
FROM matches
-- include: in_the_past
WHERE (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_game_mode (select matches)
SELECT started_at, match_id
FROM matches
-- include: in_the_past
WHERE game_mode = %(game_mode)s AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_player (select match_players)
SELECT started_at, match_id
FROM match_players
-- include: in_the_past
WHERE player_id = %(player_id)s AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;

-- name: list_matches_of_player_and_game_mode (select match_players)
SELECT started_at, match_id
FROM match_players
-- include: in_the_past
WHERE player_id = %(player_id)s AND game_mode = %(game_mode)s
  AND (started_at, match_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY started_at DESC, match_id DESC
LIMIT %(limit)s;
