-- Every query of the profile service. The RPC, the store's method and the query share one name.
--
-- Effects that move value are one statement: it locks, checks, changes, writes the ledger and records the answer under
-- the request_id, or does nothing of it. `NOT EXISTS (... requests ...)` keeps a repeated request from taking effect;
-- two racing ones meet on the primary key of requests, and the later one is rolled back.
-- Locks are always taken in the order of player_id, so that opposed calls wait and never deadlock.

-- name: create_player (insert players)
INSERT INTO players (player_id, username, email, attributes)
VALUES (COALESCE(%(player_id)s, uuidv7()), %(username)s, %(email)s, %(attributes)s::jsonb)
RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
          version;

-- name: create_player_once (insert players)
-- create_player under a request_id.
WITH created AS (
    INSERT INTO players (player_id, username, email, attributes)
    SELECT COALESCE(%(player_id)s, uuidv7()), %(username)s, %(email)s, %(attributes)s::jsonb
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    RETURNING *
)
INSERT INTO requests (request_id, method, fingerprint, answer)
SELECT %(request_id)s, %(method)s, %(fingerprint)s,
       to_jsonb(created) || jsonb_build_object('attributes', created.attributes::text)
FROM created
RETURNING answer::text;

-- name: batch_get_players (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE player_id = ANY(%(player_ids)s);

-- name: lookup_by_username (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE username = %(key)s;

-- name: lookup_by_email (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE lower(email) = lower(%(key)s);

-- name: update_player (update players)
-- A null leaves the column as it is. With an etag, only the version the caller saw is changed.
UPDATE players
SET username = COALESCE(%(username)s, username),
    email = COALESCE(%(email)s, email),
    attributes = COALESCE(%(attributes)s::jsonb, attributes),
    mmr = COALESCE(%(mmr)s, mmr),
    level = COALESCE(%(level)s, level),
    xp = COALESCE(%(xp)s, xp),
    version = nextval('player_versions')
WHERE player_id = %(player_id)s AND (%(version)s::bigint IS NULL OR version = %(version)s)
RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
          version;

-- name: batch_apply_progress (update players)
-- Many requests in one statement, no player in two of them. Each is all or nothing: `ready` has those whose players are
-- all there and that were not done before. Every 1,000 xp is a level; levels are never lost.
WITH asked AS (
    SELECT *
    FROM unnest(%(request_ids)s::uuid[], %(fingerprints)s::bytea[])
         WITH ORDINALITY AS a (request_id, fingerprint, number)
), change AS (
    SELECT *
    FROM unnest(%(numbers)s::bigint[], %(player_ids)s::uuid[], %(mmr_deltas)s::bigint[], %(xp_deltas)s::bigint[])
         WITH ORDINALITY AS c (number, player_id, mmr_delta, xp_delta, place)
), locked AS (
    SELECT player_id
    FROM players
    WHERE player_id = ANY(%(player_ids)s)
    ORDER BY player_id
    FOR NO KEY UPDATE
), ready AS (
    SELECT number
    FROM change
    LEFT JOIN locked USING (player_id)
    WHERE number NOT IN (SELECT asked.number FROM asked JOIN requests USING (request_id))
    GROUP BY number
    HAVING count(*) = count(locked.player_id)
), applied AS (
    UPDATE players p
    SET mmr = GREATEST(0, p.mmr + c.mmr_delta),
        xp = p.xp + c.xp_delta,
        level = GREATEST(p.level, LEAST(2147483647, 1 + (p.xp + c.xp_delta) / 1000)),
        version = nextval('player_versions')
    FROM change c
    JOIN ready USING (number)
    WHERE p.player_id = c.player_id
    RETURNING p.*, c.number, c.place
)
INSERT INTO requests (request_id, method, fingerprint, answer)
SELECT request_id, %(method)s, fingerprint,
       jsonb_agg(
           to_jsonb(applied) - 'number' - 'place' || jsonb_build_object('attributes', attributes::text) ORDER BY place
       )
FROM applied
JOIN asked USING (number)
GROUP BY request_id, fingerprint
RETURNING request_id, answer::text;

-- name: record_login (update players)
UPDATE players
SET last_login_at = now(), version = nextval('player_versions')
WHERE player_id = %(player_id)s
RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
          version;

-- name: list_players_by_mmr (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE mmr BETWEEN %(min_mmr)s AND %(max_mmr)s
  AND (mmr, player_id) < (%(after)s::integer, %(after_id)s::uuid)
ORDER BY mmr DESC, player_id DESC
LIMIT %(limit)s;

-- name: list_players_by_level (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE mmr BETWEEN %(min_mmr)s AND %(max_mmr)s
  AND (level, player_id) < (%(after)s::integer, %(after_id)s::uuid)
ORDER BY level DESC, player_id DESC
LIMIT %(limit)s;

-- name: list_players_by_created (select players)
SELECT player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE mmr BETWEEN %(min_mmr)s AND %(max_mmr)s
  AND (created_at, player_id) < (%(after)s::timestamptz, %(after_id)s::uuid)
ORDER BY created_at DESC, player_id DESC
LIMIT %(limit)s;

-- name: delete_player (delete players)
DELETE FROM players
WHERE player_id = %(player_id)s AND (%(version)s::bigint IS NULL OR version = %(version)s)
RETURNING version;

-- name: get_wallet (select players)
SELECT player_id, coins, held_coins
FROM players
WHERE player_id = %(player_id)s;

-- name: adjust_coins (update players)
-- `have` is null when there is no such player, or when the request was done before.
WITH locked AS (
    SELECT player_id, coins, held_coins
    FROM players
    WHERE player_id = %(player_id)s
      AND NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    FOR NO KEY UPDATE
), adjusted AS (
    UPDATE players p
    SET coins = p.coins + %(delta)s, version = nextval('player_versions')
    FROM locked
    WHERE p.player_id = locked.player_id
      AND locked.coins - locked.held_coins + %(delta)s::numeric >= 0
      AND locked.coins + %(delta)s::numeric <= 9223372036854775807
    RETURNING p.player_id, p.coins, p.held_coins, p.version
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, reference, request_id)
    SELECT player_id, %(delta)s, coins, 'ADJUSTMENT', %(reason)s, %(reference)s, %(request_id)s
    FROM adjusted
    RETURNING *
), recorded AS (
    INSERT INTO requests (request_id, method, fingerprint, answer)
    SELECT %(request_id)s, %(method)s, %(fingerprint)s,
           jsonb_build_object('wallet', to_jsonb(adjusted) - 'version', 'entry', to_jsonb(entered))
    FROM adjusted, entered
    RETURNING answer
)
SELECT (SELECT answer::text FROM recorded) AS answer,
       (SELECT version FROM adjusted) AS version,
       (SELECT coins - held_coins FROM locked) AS have;

-- name: transfer_coins (update players)
WITH locked AS (
    SELECT player_id, coins, held_coins
    FROM players
    WHERE player_id IN (%(sender_id)s, %(receiver_id)s)
      AND NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
    ORDER BY player_id
    FOR NO KEY UPDATE
), allowed AS (
    SELECT uuidv7() AS transfer_id
    FROM locked s, locked r
    WHERE s.player_id = %(sender_id)s AND s.coins - s.held_coins >= %(amount)s
      AND r.player_id = %(receiver_id)s AND r.coins + %(amount)s::numeric <= 9223372036854775807
), moved AS (
    UPDATE players p
    SET coins = p.coins + CASE p.player_id WHEN %(sender_id)s THEN -%(amount)s::bigint ELSE %(amount)s::bigint END,
        version = nextval('player_versions')
    FROM allowed
    WHERE p.player_id IN (%(sender_id)s, %(receiver_id)s)
    RETURNING p.player_id, p.coins, p.held_coins, p.version, allowed.transfer_id
), entered AS (
    INSERT INTO wallet_ledger (player_id, delta, coins_after, kind, reason, reference, request_id)
    SELECT player_id,
           CASE player_id WHEN %(sender_id)s THEN -%(amount)s::bigint ELSE %(amount)s::bigint END,
           coins,
           CASE player_id WHEN %(sender_id)s THEN 'TRANSFER_OUT' ELSE 'TRANSFER_IN' END,
           %(reason)s, transfer_id::text, %(request_id)s
    FROM moved
), recorded AS (
    INSERT INTO requests (request_id, method, fingerprint, answer)
    SELECT %(request_id)s, %(method)s, %(fingerprint)s,
           jsonb_build_object('transfer_id', s.transfer_id,
                              'sender', to_jsonb(s) - 'version' - 'transfer_id',
                              'receiver', to_jsonb(r) - 'version' - 'transfer_id')
    FROM moved s, moved r
    WHERE s.player_id = %(sender_id)s AND r.player_id = %(receiver_id)s
    RETURNING answer
)
SELECT (SELECT answer::text FROM recorded) AS answer,
       (SELECT version FROM moved WHERE player_id = %(sender_id)s) AS sender_version,
       (SELECT version FROM moved WHERE player_id = %(receiver_id)s) AS receiver_version,
       (SELECT coins - held_coins FROM locked WHERE player_id = %(sender_id)s) AS have,
       (SELECT coins FROM locked WHERE player_id = %(receiver_id)s) AS receiver_coins;
