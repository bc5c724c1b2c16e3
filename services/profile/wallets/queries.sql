-- Every query of this area. The RPC, the store's method and the query share one name.
--
-- An effect that moves value is one statement, for the requests of many callers (shared/stores/requests/effects.py says
-- what goes in and comes out): it locks, judges each request by itself, changes, writes the ledger, and records the
-- outcomes under the request_ids. An outcome is the answer, or a refusal if the locked rows do not allow the effect
-- (pieces.sql and refusal.py there). A repeated request has a record, and is left out of `asked`; two racing ones meet
-- on the primary key of requests, and the later statement is rolled back. After `not_after`, when the call's deadline is
-- over, nothing happens and nothing is recorded; the time is checked when the locks are held (`found` is materialized for
-- that), because the statement may have waited for them.
--
-- No two requests of one statement touch the same player. Rows that somebody else has locked are left out, and their
-- requests are `busy`: each of them is tried again in a statement of its own, which waits. That one locks its rows in
-- the order of player_id, so that opposed calls wait for each other and never deadlock.
--
-- What an UPDATE sets is computed from `locked`, never from the row that it updates (p.coins + …). If another statement
-- has changed that row since this one's snapshot, PostgreSQL first computes and checks the new values from the old row,
-- and only then finds the newer one. A spend that follows a gain closely would fail on `CHECK (coins >= 0)`, as
-- INTERNAL. The version, which tells the later row, is drawn when the lock is held.
--
-- The ids of a player's ledger entries are in the order in which the coins moved. An id that the service drew before the
-- statement would not be: it may have waited for the player's lock behind one that was drawn later. So the service draws
-- an id (`drawn_id`), and the statement puts in place of its time the moment at which it holds the lock: 48 bits of
-- milliseconds, the version 7, 12 bits for the fraction of a millisecond (RFC 9562, 5.7 and method 3 of 6.2).

-- name: get_wallet (select players)
SELECT player_id, coins, held_coins
FROM players
WHERE player_id = %(player_id)s;

-- name: adjust_coins (update players)
WITH asked AS (
    -- include: asked_adjustments
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
), locked AS (
    SELECT player_id AS locked_id, coins, held_coins, version
    FROM players
    WHERE player_id = ANY(%(rows)s::uuid[])
    ORDER BY player_id
    FOR NO KEY UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT asked.*, locked_id, coins AS coins_before, held_coins,
    -- include: version_drawn
    FROM asked
    LEFT JOIN locked ON locked_id = player_id
), judged AS (
    SELECT found.*, coins_before + delta::numeric AS coins,
    -- include: entry_id
        AS entry_id,
        locked_id IS NULL AND EXISTS (SELECT 1 FROM players p WHERE p.player_id = found.player_id) AS busy,
        CASE
        WHEN locked_id IS NULL THEN jsonb_build_object(
            'kind', 'NOT_FOUND',
            'reason', 'PLAYER_NOT_FOUND',
            'message', 'no player has this player_id; create the player first',
            'metadata', jsonb_build_object('player_id', player_id))
        WHEN coins_before - held_coins + delta::numeric < 0 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_COINS',
            'message', 'the player has ' || (coins_before - held_coins)::text || ' coins to spend, and '
                       || (-delta::numeric)::text || ' are needed',
            'metadata', jsonb_build_object('player_id', player_id,
                                           'have', (coins_before - held_coins)::text,
                                           'need', (-delta::numeric)::text))
        WHEN coins_before + delta::numeric > 9223372036854775807 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'COINS_LIMIT',
            'message', 'the player would own more than 9223372036854775807 coins',
            'metadata', jsonb_build_object('player_id', player_id))
        END AS refusal
    FROM found
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), allowed AS (
    SELECT *
    FROM judged
    WHERE refusal IS NULL
), adjusted AS (
    UPDATE players p
    SET coins = allowed.coins::bigint, held_coins = allowed.held_coins, version = allowed.version
    FROM allowed
    WHERE p.player_id = allowed.player_id
), entered AS (
    INSERT INTO wallet_ledger (entry_id, player_id, delta, coins_after, kind, reason, reference, request_id)
    SELECT entry_id, player_id, delta, coins::bigint, 'ADJUSTMENT', reason, reference, request_id
    FROM allowed
), outcome AS (
    SELECT number, request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           CASE WHEN refusal IS NULL
           THEN jsonb_build_object(
               'wallet', jsonb_build_object('player_id', player_id, 'coins', coins, 'held_coins', held_coins),
               'entry', jsonb_build_object(
                   'entry_id', entry_id, 'player_id', player_id, 'delta', delta, 'coins_after', coins,
                   'kind', 'ADJUSTMENT', 'reason', reason, 'reference', reference, 'request_id', request_id,
                   'created_at', now(), 'transfer_id', NULL, 'counterparty_player_id', NULL))
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           CASE WHEN refusal IS NULL THEN ARRAY[version] END AS versions
    FROM judged
    WHERE NOT busy
),
-- include: recorded_each
SELECT number, answer::text, versions
FROM judged
LEFT JOIN outcome USING (number);

-- name: transfer_coins (update players)
WITH asked AS (
    -- include: asked_transfers
    WHERE request_id NOT IN (SELECT request_id FROM requests WHERE request_id = ANY(%(request_ids)s::uuid[]))
    -- include: impatient
), locked AS (
    SELECT player_id, coins, held_coins, version
    FROM players
    WHERE player_id = ANY(%(rows)s::uuid[])
    ORDER BY player_id
    FOR NO KEY UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT asked.*,
        s.player_id AS locked_sender, s.coins AS sender_before, s.held_coins AS sender_held,
        r.player_id AS locked_receiver, r.coins AS receiver_before, r.held_coins AS receiver_held,
    -- include: versions_drawn
    FROM asked
    LEFT JOIN locked s ON s.player_id = sender_id
    LEFT JOIN locked r ON r.player_id = receiver_id
), judged AS (
    SELECT found.*, sender_before - amount AS sender_coins, receiver_before + amount::numeric AS receiver_coins,
        locked_sender IS NULL AND EXISTS (SELECT 1 FROM players p WHERE p.player_id = sender_id)
        OR locked_receiver IS NULL AND EXISTS (SELECT 1 FROM players p WHERE p.player_id = receiver_id) AS busy,
        CASE
        WHEN locked_sender IS NULL OR locked_receiver IS NULL THEN jsonb_build_object(
            'kind', 'NOT_FOUND',
            'reason', 'PLAYER_NOT_FOUND',
            'message', 'no player has this player_id; create the player first',
            'metadata', jsonb_build_object(
                'player_id', CASE WHEN locked_sender IS NULL THEN sender_id ELSE receiver_id END))
        WHEN sender_before - sender_held < amount THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'INSUFFICIENT_COINS',
            'message', 'the player has ' || (sender_before - sender_held)::text || ' coins to spend, and '
                       || amount::text || ' are needed',
            'metadata', jsonb_build_object('player_id', sender_id,
                                           'have', (sender_before - sender_held)::text,
                                           'need', amount::text))
        WHEN receiver_before + amount::numeric > 9223372036854775807 THEN jsonb_build_object(
            'kind', 'PRECONDITION',
            'reason', 'COINS_LIMIT',
            'message', 'the player would own more than 9223372036854775807 coins',
            'metadata', jsonb_build_object('player_id', receiver_id))
        END AS refusal
    FROM found
    WHERE clock_timestamp() <= %(not_after)s - earlier_s * interval '1 second'
), movement AS (
    SELECT sender_id AS player_id, -amount AS delta, sender_coins AS coins, sender_held AS held_coins,
           sender_version AS version, 'TRANSFER_OUT' AS kind, reason, reference, request_id, transfer_id,
           receiver_id AS counterparty_id, sender_drawn_id AS drawn_id
    -- include: and_moment
    FROM judged
    WHERE refusal IS NULL
    UNION ALL
    SELECT receiver_id, amount, receiver_coins::bigint, receiver_held, receiver_version, 'TRANSFER_IN', reason, reference,
           request_id, transfer_id, sender_id, receiver_drawn_id
    -- include: and_moment
    FROM judged
    WHERE refusal IS NULL
), moved AS (
    UPDATE players p
    SET coins = movement.coins, held_coins = movement.held_coins, version = movement.version
    FROM movement
    WHERE p.player_id = movement.player_id
), entered AS (
    INSERT INTO wallet_ledger (entry_id, player_id, delta, coins_after, kind, reason, reference, request_id, transfer_id,
                               counterparty_player_id)
    SELECT
    -- include: entry_id
        , player_id, delta, coins, kind, reason, reference, request_id, transfer_id, counterparty_id
    FROM movement
), outcome AS (
    SELECT number, request_id, %(method)s::text AS method, decode(fingerprint, 'hex') AS fingerprint,
           CASE WHEN refusal IS NULL
           THEN jsonb_build_object(
               'transfer_id', transfer_id,
               'sender', jsonb_build_object(
                   'player_id', sender_id, 'coins', sender_coins, 'held_coins', sender_held),
               'receiver', jsonb_build_object(
                   'player_id', receiver_id, 'coins', receiver_coins, 'held_coins', receiver_held))
           ELSE jsonb_build_object('refusal', refusal) END AS answer,
           CASE WHEN refusal IS NULL THEN ARRAY[sender_version, receiver_version] END AS versions
    FROM judged
    WHERE NOT busy
),
-- include: recorded_each
SELECT number, answer::text, versions
FROM judged
LEFT JOIN outcome USING (number);
