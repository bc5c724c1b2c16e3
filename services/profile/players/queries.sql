-- Every query of this area. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement, for the requests of many callers (shared/stores/requests/effects.py says
-- what goes in and comes out): it locks, judges each request by itself, changes, and records the outcomes under the
-- request_ids. An outcome is the answer, or a refusal if the locked rows do not allow the effect (pieces.sql and
-- refusal.py there). A repeated request has a record, and is left out of `asked`; two racing ones meet on the primary
-- key of requests, and the later statement is rolled back. After `not_after`, when the call's deadline is over, nothing
-- happens and nothing is recorded; the time is checked when the locks are held, because the statement may have waited
-- for them. `earlier_s` says how many seconds a request's own deadline is before that of the statement.
--
-- No two requests of one statement touch the same player. Rows that somebody else has locked are left out, and their
-- requests are `busy`: each of them is tried again in a statement of its own, which waits. That one locks its rows in
-- the order of player_id, so that opposed calls wait for each other and never deadlock.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates (p.xp + …). If another statement
-- has changed that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row,
-- and only then finds the newer one. What follows from both rows could fail on a CHECK, as INTERNAL.

-- name: create_player (insert players)
-- A row without player_id is one of a request whose name, address or id is taken: it is tried again by itself, and
-- fails then.
WITH asked AS (
    -- include: asked_players
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
    -- include: impatient
), created AS (
    INSERT INTO players (player_id, username, email, attributes)
    SELECT player_id, username, email, attributes::jsonb
    FROM asked
    ON CONFLICT DO NOTHING
    RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes, created_at, last_login_at,
              version
)
SELECT number, c.player_id, c.username, c.email, c.mmr, c.level, c.xp, c.coins, c.held_coins, c.attributes::text,
       c.created_at, c.last_login_at, c.version
FROM asked
LEFT JOIN created c ON c.username = asked.username;

-- name: create_player_once (insert players)
-- create_player under request_ids; here a row without an answer is one of such a request.
WITH asked AS (
    -- include: asked_players_once
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
      AND clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), created AS (
    INSERT INTO players (player_id, username, email, attributes)
    SELECT player_id, username, email, attributes::jsonb
    FROM asked
    ON CONFLICT DO NOTHING
    RETURNING player_id, username, email, mmr, level, xp, coins, held_coins, attributes, created_at, last_login_at,
              version
), outcome AS (
    SELECT number, request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           jsonb_build_object(
               'player_id', created.player_id, 'username', username, 'email', created.email, 'mmr', mmr, 'level', level,
               'xp', xp, 'coins', coins, 'held_coins', held_coins, 'attributes', created.attributes::text,
               'created_at', created_at, 'last_login_at', last_login_at, 'version', version) AS answer
    FROM asked
    JOIN created USING (username)
),
-- include: recorded_each
SELECT number, answer::text, NULL::bigint[] AS versions
FROM asked
LEFT JOIN outcome USING (number);

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
-- A null leaves the column as it is. With an etag, only the version that its caller has seen is changed:
-- `version_before` says what it is. A row without player_id is one of a player who is not there, or has another version.
WITH asked AS (
    -- include: asked_changes
    WHERE true
    -- include: impatient
), locked AS (
    SELECT player_id AS locked_id, version AS version_before
    FROM players
    WHERE player_id = ANY(%(rows)s::uuid[])
    ORDER BY player_id
    FOR NO KEY UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT asked.*, locked_id, version_before
    FROM asked
    LEFT JOIN locked ON locked_id = player_id
), judged AS (
    SELECT found.*,
        locked_id IS NULL AND EXISTS (SELECT 1 FROM players p WHERE p.player_id = found.player_id) AS busy
    FROM found
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), updated AS (
    UPDATE players p
    SET username = COALESCE(judged.username, p.username),
        email = COALESCE(judged.email, p.email),
        attributes = COALESCE(judged.attributes::jsonb, p.attributes),
        mmr = COALESCE(judged.mmr, p.mmr),
        level = COALESCE(judged.level, p.level),
        xp = COALESCE(judged.xp, p.xp),
        version =
    -- include: drawn_version
    FROM judged
    WHERE p.player_id = judged.locked_id AND (judged.version IS NULL OR judged.version = version_before)
    RETURNING number, p.player_id, p.username, p.email, p.mmr, p.level, p.xp, p.coins, p.held_coins, p.attributes,
              p.created_at, p.last_login_at, p.version
)
SELECT number, busy, version_before,
       u.player_id, u.username, u.email, u.mmr, u.level, u.xp, u.coins, u.held_coins, u.attributes::text, u.created_at,
       u.last_login_at, u.version
FROM judged
LEFT JOIN updated u USING (number);

-- name: batch_apply_progress (update players)
-- Each request happens as a whole or not at all. Every 1,000 xp is a level; levels are never lost. The answer that is
-- recorded leaves attributes out; they come beside it, for the cache. A row without an answer is one of a busy request.
WITH asked AS (
    SELECT *
    FROM unnest(%(request_ids)s::uuid[], %(fingerprints)s::text[], %(earlier_s)s::float8[])
         WITH ORDINALITY AS a (request_id, fingerprint, earlier_s, number)
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
), locked AS (
    SELECT player_id, mmr, level, xp, version AS version_before
    FROM players
    WHERE player_id = ANY(%(player_ids)s::uuid[])
    ORDER BY player_id
    FOR NO KEY UPDATE SKIP LOCKED
), change AS (
    SELECT number, place, c.player_id, mmr_delta, xp_delta, mmr, level, xp, version_before,
           locked.player_id IS NULL AS missing
    FROM unnest(%(numbers)s::bigint[], %(player_ids)s::uuid[], %(mmr_deltas)s::bigint[], %(xp_deltas)s::bigint[])
         WITH ORDINALITY AS c (number, player_id, mmr_delta, xp_delta, place)
    LEFT JOIN locked USING (player_id)
), judged AS (
    SELECT number, request_id, fingerprint,
        bool_or(missing AND EXISTS (SELECT 1 FROM players p WHERE p.player_id = change.player_id)) AS busy,
        CASE
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
            'metadata', '{}'::jsonb)
        END AS refusal
    FROM asked
    JOIN change USING (number)
    GROUP BY number, request_id, fingerprint, earlier_s
    HAVING clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), applied AS (
    UPDATE players p
    SET mmr = GREATEST(0, c.mmr + c.mmr_delta),
        xp = c.xp + c.xp_delta,
        level = GREATEST(c.level, LEAST(2147483647,
    -- include: levels
        )),
        version =
    -- include: drawn_version
    FROM change c
    JOIN judged USING (number)
    WHERE p.player_id = c.player_id AND refusal IS NULL
    RETURNING p.player_id, p.username, p.email, p.mmr, p.level, p.xp, p.coins, p.held_coins, p.attributes, p.created_at,
              p.last_login_at, p.version, c.number, c.place
), outcome AS (
    SELECT request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           CASE WHEN refusal IS NULL
           THEN jsonb_agg(jsonb_build_object(
               'player_id', player_id, 'username', username, 'email', email, 'mmr', mmr, 'level', level, 'xp', xp,
               'coins', coins, 'held_coins', held_coins, 'attributes', '{}', 'created_at', created_at,
               'last_login_at', last_login_at, 'version', version) ORDER BY place)
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           array_agg(attributes::text ORDER BY place) AS attributes
    FROM judged
    LEFT JOIN applied USING (number)
    WHERE NOT busy
    GROUP BY request_id, fingerprint, refusal
),
-- include: recorded_each
SELECT judged.number, answer::text, attributes
FROM judged
LEFT JOIN outcome USING (request_id);

-- name: record_login (update players)
UPDATE players
SET last_login_at = now(), version =
-- include: next_version
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

-- name: delete_player (delete players) -- only: postgresql
-- A trigger forgets the ledger. It sees the entries that were committed while this waited for the player's row.
DELETE FROM players
WHERE player_id = %(player_id)s AND (%(version)s::bigint IS NULL OR version = %(version)s)
  AND clock_timestamp() <= %(not_after)s
RETURNING version;

-- name: delete_player (delete players) -- only: cockroachdb
-- With the ledger. An entry that another transaction writes meanwhile makes one of the two fail with 40001.
WITH deleted AS (
    DELETE FROM players
    WHERE player_id = %(player_id)s::uuid AND (%(version)s::int8 IS NULL OR version = %(version)s::int8)
      AND clock_timestamp() <= %(not_after)s
    RETURNING player_id, version
), forgotten AS (
    DELETE FROM wallet_ledger
    WHERE player_id IN (SELECT player_id FROM deleted)
)
SELECT version
FROM deleted;
