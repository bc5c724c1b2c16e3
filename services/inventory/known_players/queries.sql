-- Who is known to exist: see known_players.py.

-- name: batch_get_known_players (select known_players)
SELECT player_id
FROM known_players
WHERE player_id = ANY(%(player_ids)s::uuid[]);

-- name: add_known_players (insert known_players)
-- In the order of player_id, so that two calls that add the same players wait for each other and never deadlock.
INSERT INTO known_players (player_id)
SELECT player_id
FROM unnest(%(player_ids)s::uuid[]) AS found (player_id)
ORDER BY player_id
ON CONFLICT (player_id) DO NOTHING;
