-- What the queries of this area have in common, and what differs between databases.

-- piece: matches_wanted
-- What get_matches reads, up to the end of its FROM clause.
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

-- piece: in_the_past
-- At the end of the FROM clause of a history.

-- piece: in_the_past (follower_reads)
AS OF SYSTEM TIME follower_read_timestamp()

-- piece: asked_matches (postgresql)
SELECT request_id, method, decode(fingerprint, 'hex') AS fingerprint, match AS answer
FROM jsonb_to_recordset(%(asked)s::jsonb)
     AS asked (request_id uuid, method text, fingerprint text, earlier_s float8, match jsonb)

-- piece: asked_matches (cockroachdb)
SELECT request_id, method, decode(fingerprint, 'hex') AS fingerprint, match AS answer
FROM (
    SELECT (a ->> 'request_id')::uuid AS request_id, a ->> 'method' AS method, a ->> 'fingerprint' AS fingerprint,
           (a ->> 'earlier_s')::float8 AS earlier_s, a -> 'match' AS match
    FROM jsonb_array_elements(%(asked)s::jsonb) AS e (a)
) AS asked

-- piece: recorded_matches (postgresql)
SELECT m.match_id, m.game_mode, m.started_at, m.ended_at, m.winner_team, m.metadata::jsonb
FROM outcome, jsonb_to_record(answer) AS m (
    match_id uuid, game_mode text, started_at timestamptz, ended_at timestamptz, winner_team integer, metadata text)

-- piece: recorded_matches (cockroachdb)
SELECT (answer ->> 'match_id')::uuid, answer ->> 'game_mode', (answer ->> 'started_at')::timestamptz,
       (answer ->> 'ended_at')::timestamptz, (answer ->> 'winner_team')::int4, (answer ->> 'metadata')::jsonb
FROM outcome

-- piece: recorded_match_players (postgresql)
SELECT m.match_id, p.player_id, m.game_mode, m.started_at, p.team, p.score, p.kills, p.deaths, p.mmr_change,
       p.xp_gained
FROM outcome, jsonb_to_record(answer) AS m (
    match_id uuid, game_mode text, started_at timestamptz, players jsonb),
jsonb_to_recordset(m.players) AS p (
    player_id uuid, team integer, score bigint, kills bigint, deaths bigint, mmr_change integer, xp_gained bigint)

-- piece: recorded_match_players (cockroachdb)
SELECT (answer ->> 'match_id')::uuid, (p ->> 'player_id')::uuid, answer ->> 'game_mode',
       (answer ->> 'started_at')::timestamptz, (p ->> 'team')::int4, (p ->> 'score')::int8, (p ->> 'kills')::int8,
       (p ->> 'deaths')::int8, (p ->> 'mmr_change')::int4, (p ->> 'xp_gained')::int8
FROM outcome, LATERAL (SELECT jsonb_array_elements(answer -> 'players') AS p) AS of_players

-- piece: finished_match_players (postgresql)
SELECT match_id, p.player_id, game_mode, started_at, p.team, p.score, p.kills, p.deaths, p.mmr_change, p.xp_gained
FROM finished, jsonb_to_recordset(match -> 'players') AS p (
    player_id uuid, team integer, score bigint, kills bigint, deaths bigint, mmr_change integer, xp_gained bigint)

-- piece: finished_match_players (cockroachdb)
SELECT match_id, (p ->> 'player_id')::uuid, game_mode, started_at, (p ->> 'team')::int4, (p ->> 'score')::int8,
       (p ->> 'kills')::int8, (p ->> 'deaths')::int8, (p ->> 'mmr_change')::int4, (p ->> 'xp_gained')::int8
FROM finished, LATERAL (SELECT jsonb_array_elements(match -> 'players') AS p) AS of_players
