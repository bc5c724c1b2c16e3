-- Every query of this area. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement: it locks, judges, changes, writes the ledger, and records the outcome
-- under the request_id. The outcome is the answer, or a refusal if the locked rows do not allow the effect (pieces.sql
-- and refusal.py in shared/stores/requests). `NOT EXISTS (... requests ...)` keeps a repeated request from taking
-- effect; two racing ones meet on the primary key of requests, and the later one is rolled back. After `not_after`,
-- when the call's deadline is over, nothing happens and nothing is recorded; the time is checked when the locks are
-- held, because the statement may have waited for them. Rows are always locked in the order of player_id, so that
-- opposed calls wait for each other and never deadlock.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates (p.coins + …). If another statement
-- has changed that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row,
-- and only then finds the newer one. A spend that follows a gain closely would fail on `CHECK (coins >= 0)`, as
-- INTERNAL.

-- name: create_player (insert players)
INSERT INTO players (player_id, username, email, attributes)
SELECT COALESCE(%(player_id)s, uuidv7()), %(username)s, %(email)s, %(attributes)s::jsonb
WHERE clock_timestamp() <= %(not_after)s
RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
          version;

-- name: create_player_once (insert players)
-- create_player under a request_id.
WITH created AS (
    INSERT INTO players (player_id, username, email, attributes)
    SELECT COALESCE(%(player_id)s, uuidv7()), %(username)s, %(email)s, %(attributes)s::jsonb
    WHERE NOT EXISTS (SELECT FROM requests WHERE request_id = %(request_id)s)
      AND clock_timestamp() <= %(not_after)s
    RETURNING *
), outcome AS (
    SELECT to_jsonb(created) || jsonb_build_object('attributes', created.attributes::text) AS answer
    FROM created
),
-- include: recorded
SELECT answer::text
FROM outcome;

-- name: batch_get_players (select players)
-- Ids as text, which is what requests bring and answers take.
SELECT player_id::text, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
       version
FROM players
WHERE player_id = ANY(%(player_ids)s::uuid[]);

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
  AND clock_timestamp() <= %(not_after)s
RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes::text, created_at, last_login_at,
          version;

-- name: batch_apply_progress (update players)
-- Many requests in one statement; no player is in two of them. Each request is judged by itself, and happens as a whole
-- or not at all. Every 1,000 xp is a level; levels are never lost. `earlier_s` says how many seconds a request's own
-- deadline is before that of the statement. The answer that is recorded leaves attributes out; they come beside it, for
-- the cache.
WITH asked AS (
    SELECT *
    FROM unnest(%(request_ids)s::uuid[], %(fingerprints)s::bytea[], %(earlier_s)s::float8[])
         WITH ORDINALITY AS a (request_id, fingerprint, earlier_s, number)
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
), locked AS (
    SELECT player_id, mmr, level, xp
    FROM players
    WHERE player_id = ANY(%(player_ids)s)
    ORDER BY player_id
    FOR NO KEY UPDATE
), change AS (
    SELECT number, place, player_id, mmr_delta, xp_delta, mmr, level, xp, locked.player_id IS NULL AS missing
    FROM unnest(%(numbers)s::bigint[], %(player_ids)s::uuid[], %(mmr_deltas)s::bigint[], %(xp_deltas)s::bigint[])
         WITH ORDINALITY AS c (number, player_id, mmr_delta, xp_delta, place)
    LEFT JOIN locked USING (player_id)
), judged AS (
    SELECT number, request_id, fingerprint, CASE
        WHEN bool_or(missing) THEN jsonb_build_object(
            'kind', 'NOT_FOUND',
            'reason', 'PLAYER_NOT_FOUND',
            'message', 'no player has this player_id; create the player first',
            'metadata', jsonb_build_object(
                'player_id', (%(player_ids)s::uuid[])[min(place) FILTER (WHERE missing)]))
        WHEN bool_or(mmr + mmr_delta > 2147483647 OR xp > 9223372036854775807 - xp_delta) THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'PROGRESS_LIMIT',
            'message', 'a player''s mmr, level or xp would exceed what it can hold',
            'metadata', jsonb_build_object())
        END AS refusal
    FROM asked
    JOIN change USING (number)
    GROUP BY number, request_id, fingerprint, earlier_s
    HAVING clock_timestamp() <= %(not_after)s - make_interval(secs => earlier_s)
), applied AS (
    UPDATE players p
    SET mmr = GREATEST(0, c.mmr + c.mmr_delta),
        xp = c.xp + c.xp_delta,
        level = GREATEST(c.level, LEAST(2147483647, 1 + (c.xp + c.xp_delta) / 1000)),
        version = nextval('player_versions')
    FROM change c
    JOIN judged USING (number)
    WHERE p.player_id = c.player_id AND refusal IS NULL
    RETURNING p.*, c.number, c.place
), outcome AS (
    SELECT request_id, %(method)s AS method, fingerprint,
           CASE WHEN refusal IS NULL
           THEN jsonb_agg(to_jsonb(applied) - 'number' - 'place' || jsonb_build_object('attributes', '{}') ORDER BY place)
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           array_agg(attributes::text ORDER BY place) AS attributes
    FROM judged
    LEFT JOIN applied USING (number)
    GROUP BY request_id, fingerprint, refusal
),
-- include: recorded_each
SELECT request_id, answer::text, attributes
FROM outcome;

-- name: record_login (update players)
UPDATE players
SET last_login_at = now(), version = nextval('player_versions')
WHERE player_id = %(player_id)s AND clock_timestamp() <= %(not_after)s
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
  AND clock_timestamp() <= %(not_after)s
RETURNING version;
