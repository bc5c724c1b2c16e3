-- What UpdatePlayer writes: the player's row.
\set n random(0, :players - 1)
\set season random(1, 1000)
UPDATE players
SET attributes = jsonb_build_object('title', 'champion', 'region', 'eu', 'season', :season::integer),
    version = nextval('player_versions')
WHERE player_id = bench_player(:n)
RETURNING *;
